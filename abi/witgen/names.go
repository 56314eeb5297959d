package witgen

import (
	"go/token"
	"strings"
)

// initialisms are words that Go writes in capitals, with their spelling.
var initialisms = map[string]string{
	"acl": "ACL", "api": "API", "ascii": "ASCII", "cpu": "CPU", "css": "CSS", "dns": "DNS", "eof": "EOF", "etag": "ETag",
	"grpc": "GRPC", "html": "HTML", "http": "HTTP", "https": "HTTPS", "id": "ID", "io": "IO", "ip": "IP", "json": "JSON",
	"ms": "MS", "os": "OS", "qps": "QPS", "rpc": "RPC", "sql": "SQL", "ssh": "SSH", "tcp": "TCP", "tls": "TLS",
	"ttl": "TTL", "udp": "UDP", "ui": "UI", "uid": "UID", "uri": "URI", "url": "URL", "utf8": "UTF8", "uuid": "UUID",
	"vm": "VM", "xml": "XML",
}

// pascal makes an exported Go name of a kebab-case one.
func pascal(name string) string {
	var b strings.Builder
	for word := range strings.SplitSeq(strings.TrimPrefix(name, "%"), "-") {
		b.WriteString(capital(word))
	}
	return b.String()
}

func capital(word string) string {
	if s, ok := initialisms[strings.ToLower(word)]; ok {
		return s
	}
	if word == "" {
		return ""
	}
	return strings.ToUpper(word[:1]) + word[1:]
}

// camel makes an unexported Go name of a kebab-case one.
func camel(name string) string {
	first, rest, _ := strings.Cut(strings.TrimPrefix(name, "%"), "-")
	return strings.ToLower(first) + pascal(rest)
}

// packageName makes a Go package name of a kebab-case one.
func packageName(name string) string {
	return strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(name, "%"), "-", ""))
}

// reservedNames are what the glue itself names, or needs from the universe, where parameters are in scope.
var reservedNames = map[string]bool{
	"ctx": true, "g": true, "h": true, "l": true, "w": true, "b": true, "c": true, "stack": true, "area": true,
	"ret": true, "i": true, "n": true, "fn": true, "v": true, "at": true, "post": true, "out": true, "view": true, "x": true, "params": true, "result": true, "err": true, "e": true, "r": true, "ok": true,
	"abi": true, "canon": true, "cabi": true, "context": true, "lift": true, "lower": true,
	"string": true, "bool": true, "byte": true, "rune": true, "error": true, "len": true, "make": true, "new": true,
	"nil": true, "true": true, "false": true, "panic": true, "append": true, "min": true, "max": true, "any": true,
	"int8": true, "int16": true, "int32": true, "int64": true, "uint8": true, "uint16": true, "uint32": true,
	"uint64": true, "float32": true, "float64": true, "uintptr": true, "int": true, "uint": true, "math": true,
	"strconv": true, "struct": true, "self": true, "hs": true, "scope": true, "lifted": true,
}

// paramName makes a Go parameter name that shadows nothing that the glue uses.
func paramName(name string, taken map[string]bool) string {
	s := camel(name)
	for token.IsKeyword(s) || reservedNames[s] || taken[s] || isTemp(s) {
		s += "_"
	}
	return s
}

// isTemp tells whether s looks like one of the glue's temporaries: v0, p12.
func isTemp(s string) bool {
	if len(s) < 2 || !strings.ContainsRune("vpn", rune(s[0])) {
		return false
	}
	return strings.Trim(s[1:], "0123456789") == ""
}
