package localkeys_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/lestrrat-go/jwx/v2/jwk"

	"github.com/mrt-wasm/mrt-wasm/components/internal/localkeys"
	"github.com/mrt-wasm/mrt-wasm/host/crypto"
	"github.com/mrt-wasm/mrt-wasm/host/crypto/cryptotest"
)

// of is a vault of keys in a map.
func of(keys map[string]jwk.Key) *localkeys.Vault {
	return localkeys.New(func(_ context.Context, name string) (jwk.Key, error) {
		if key := keys[name]; key != nil {
			return key, nil
		}
		return nil, fmt.Errorf("%w: %q", crypto.ErrKeyNotFound, name)
	})
}

func parsed(t testing.TB, keys []cryptotest.Key) map[string]jwk.Key {
	t.Helper()
	out := map[string]jwk.Key{}
	for _, key := range keys {
		got, err := localkeys.Parse(key.JSON(t), "key.json")
		if err != nil {
			t.Fatal(err)
		}
		out[key.Name] = got
	}
	return out
}

func TestConformance(t *testing.T) {
	keys := cryptotest.Keys(t)
	cryptotest.Run(t, func(t *testing.T) crypto.Provider { return of(parsed(t, keys)) }, keys)
}

// TestRestrictions: what a JSON Web Key says of its use holds.
func TestRestrictions(t *testing.T) {
	secret := make([]byte, 16)
	pair, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		raw     any
		members map[string]any
		// may are the calls that are not refused.
		may string
	}{
		"nothing":          {secret, nil, "encrypt decrypt wrap-key unwrap-key"},
		"use enc":          {secret, map[string]any{"use": "enc"}, "encrypt decrypt wrap-key unwrap-key"},
		"use sig":          {secret, map[string]any{"use": "sig"}, ""},
		"one op":           {secret, map[string]any{"key_ops": []string{"encrypt"}}, "encrypt"},
		"two ops":          {secret, map[string]any{"key_ops": []string{"wrapKey", "unwrapKey"}}, "wrap-key unwrap-key"},
		"ops and use":      {secret, map[string]any{"key_ops": []string{"encrypt", "sign"}, "use": "sig"}, ""},
		"its algorithm":    {secret, map[string]any{"alg": "A128GCM"}, "encrypt decrypt wrap-key unwrap-key"},
		"other algorithm":  {secret, map[string]any{"alg": "A128KW"}, ""},
		"pair":             {pair, nil, "sign verify"},
		"pair to sign":     {pair, map[string]any{"use": "sig"}, "sign verify"},
		"pair to encrypt":  {pair, map[string]any{"use": "enc"}, ""},
		"pair, one op":     {pair, map[string]any{"key_ops": []string{"sign"}}, "sign"},
		"pair, algorithm":  {pair, map[string]any{"alg": "RS256"}, "sign verify"},
		"pair, other":      {pair, map[string]any{"alg": "PS256"}, ""},
		"public half":      {&pair.PublicKey, nil, "verify"},
		"public, op sign ": {&pair.PublicKey, map[string]any{"key_ops": []string{"sign"}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			key := withMembers(t, tt.raw, tt.members)
			v := of(map[string]jwk.Key{"k": key})
			op := crypto.Operation{Key: "k", Algorithm: "A128GCM", Data: []byte("text"), Nonce: make([]byte, 12), Tag: make([]byte, 16)}
			got := map[string]error{}
			_, got["encrypt"] = v.Encrypt(t.Context(), &op)
			_, got["decrypt"] = v.Decrypt(t.Context(), &op)
			_, got["wrap-key"] = v.WrapKey(t.Context(), &op)
			_, got["unwrap-key"] = v.UnwrapKey(t.Context(), &op)
			_, got["sign"] = v.Sign(t.Context(), "k", "RS256", make([]byte, 32))
			_, got["verify"] = v.Verify(t.Context(), "k", "RS256", make([]byte, 32), []byte("x"))
			for call, err := range got {
				if may := strings.Contains(" "+tt.may+" ", " "+call+" "); may == errors.Is(err, crypto.ErrInvalid) {
					t.Errorf("%s: got error %v, want it to be refused: %t", call, err, !may)
				}
			}
		})
	}
}

func withMembers(t testing.TB, raw any, members map[string]any) jwk.Key {
	t.Helper()
	doc := map[string]any{}
	if err := json.Unmarshal(cryptotest.Key{Name: "k", Raw: raw}.JSON(t), &doc); err != nil {
		t.Fatal(err)
	}
	maps.Copy(doc, members)
	text, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	key, err := localkeys.Parse(text, ".json")
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestForms: keys are guessed as Dapr guesses them.
func TestForms(t *testing.T) {
	secret := bytes.Repeat([]byte{0xfb, 0xef}, 8)
	var pair cryptotest.Key
	for _, key := range cryptotest.Keys(t) {
		if key.Name == "ed25519" {
			pair = key
		}
	}
	for name, tt := range map[string]struct {
		file string
		data []byte
		want any
	}{
		"bytes":             {"key", secret, secret},
		"bytes like JSON":   {"key", []byte("{234567890123456"), []byte("{234567890123456")},
		"base64":            {"key", []byte(base64.StdEncoding.EncodeToString(secret)), secret},
		"base64 with line":  {"key.txt", []byte(base64.StdEncoding.EncodeToString(secret) + "\n"), secret},
		"base64url":         {"key.b64", []byte(base64.RawURLEncoding.EncodeToString(secret)), secret},
		"JSON":              {"key", pair.JSON(t), pair.Raw},
		"JSON by name":      {"dir/key.JSON", pair.JSON(t), pair.Raw},
		"PEM":               {"key", pair.PEM(t), pair.Raw},
		"PEM by name":       {"key.Pem", pair.PEM(t), pair.Raw},
		"symmetric as JSON": {"key.json", cryptotest.Key{Name: "k", Raw: secret}.JSON(t), secret},
	} {
		key, err := localkeys.Parse(tt.data, tt.file)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got any
		if err := key.Raw(&got); err != nil || fmt.Sprint(got) != fmt.Sprint(tt.want) {
			t.Errorf("%s: got a %T, error %v, want the key", name, got, err)
		}
	}
}

const planted = "sesame-open"

// badKeys are none, and have something that errors must not quote.
func badKeys(t testing.TB) map[string]string {
	t.Helper()
	var pair cryptotest.Key
	var ec string
	for _, key := range cryptotest.Keys(t) {
		switch key.Name {
		case "rsa0":
			pair = key
		case "ec-ES256-0":
			ec = string(key.JSON(t))
		}
	}
	var doc map[string]string
	if err := json.Unmarshal(pair.JSON(t), &doc); err != nil {
		t.Fatal(err)
	}
	with := func(member, value string) string {
		changed := maps.Clone(doc)
		changed[member] = value
		text, _ := json.Marshal(changed)
		return string(text)
	}
	huge := base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{0xff}, 4096))
	return map[string]string{
		"nothing.json": "", "text.json": planted, "kty.json": `{"kty":"` + planted + `"}`, "cut.json": `{"kty":"oct","k":"` + planted,
		"member.json": `{"kty":"oct","k":"` + planted + `!!"}`, "empty.json": `{"kty":"oct","k":""}`, "nok.json": `{"kty":"oct"}`,
		"list.json": `["` + planted + `"]`, "set.json": `{"keys":[{"kty":"oct","k":"AAAA"}]}`, "null.json": "null",
		"text.pem": planted, "cut.pem": "-----BEGIN PRIVATE KEY-----\n" + planted, "none.pem": "-----BEGIN " + planted + "-----\nAAAA\n-----END " + planted + "-----\n",
		"der.pem": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "empty": "", "padding": "====", "huge": strings.Repeat("x", localkeys.MaxSize+1),
		"d0.json": with("d", "AA"), "p0.json": with("p", ""), "pq.json": with("p", doc["q"]), "n1.json": with("n", "AQ"), "e2.json": with("e", "Ag"),
		"e1.json": with("e", "AQ"), "hugeE.json": with("e", huge), "hugeN.json": with("n", huge), "evenN.json": with("n", doc["n"][:len(doc["n"])-2]+"AA"),
		"point.json":    `{"kty":"EC","crv":"P-256","x":"AQ","y":"AQ"}`,
		"infinity.json": `{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}`,
		"curve.json":    strings.Replace(ec, "P-256", "P-384", 1), "nocurve.json": `{"kty":"EC","x":"AQ","y":"AQ"}`,
		"halves.json": ec[:strings.Index(ec, `"d":"`)] + `"d":"AQ",` + ec[strings.Index(ec, `"kid"`):],
		"ed.json":     `{"kty":"OKP","crv":"Ed25519","x":"AQ"}`, "edd.json": `{"kty":"OKP","crv":"Ed25519","x":"AQ","d":"AQ"}`,
		"x25519.json": `{"kty":"OKP","crv":"X25519","x":"` + strings.Repeat("A", 43) + `"}`, "nocrv.json": `{"kty":"OKP","x":"AQ"}`,
		"deep.json": strings.Repeat("[", 100000),
	}
}

// TestBadKeys: what is no key, or one that the algorithms would panic on or take long with, is refused, and not quoted.
func TestBadKeys(t *testing.T) {
	for name, text := range badKeys(t) {
		key, err := localkeys.Parse([]byte(text), name)
		if err == nil {
			t.Errorf("%s: got a %T, want an error", name, key)
			continue
		}
		if strings.Contains(err.Error(), planted) || strings.Contains(err.Error(), "AAAA") {
			t.Errorf("%s: the error has what was read: %v", name, err)
		}
		if _, err := localkeys.ParseSet([]byte(`{"keys":[` + text + `]}`)); strings.HasSuffix(name, ".json") && text != "" && err == nil {
			t.Errorf("%s in a set: got no error", name)
		} else if err != nil && strings.Contains(err.Error(), planted) {
			t.Errorf("%s in a set: the error has what was read: %v", name, err)
		}
	}
}

// TestSmallRSA: keys of less than 1024 bits are refused when they are used, as the standard library does.
func TestSmallRSA(t *testing.T) {
	n, _ := hex.DecodeString(strings.Repeat("c5", 64))
	key := withMembers(t, &rsa.PublicKey{N: rsaNumber(n), E: 65537}, nil)
	v := of(map[string]jwk.Key{"k": key})
	if _, err := v.Encrypt(t.Context(), &crypto.Operation{Key: "k", Algorithm: "RSA-OAEP", Data: []byte("x")}); !errors.Is(err, crypto.ErrInvalid) {
		t.Errorf("encrypt with 512 bits: got error %v, want %v", err, crypto.ErrInvalid)
	}
	if ok, err := v.Verify(t.Context(), "k", "RS256", make([]byte, 32), make([]byte, 64)); ok || !errors.Is(err, crypto.ErrInvalid) {
		t.Errorf("verify with 512 bits: got %t, error %v, want %v", ok, err, crypto.ErrInvalid)
	}
}

func TestSets(t *testing.T) {
	good := `{"kty":"oct","kid":"a","k":"AAECAwQFBgcICQoLDA0ODw"}`
	for name, tt := range map[string]struct {
		text    string
		keys    int
		skipped int
		want    string
	}{
		"one key":        {good, 1, 0, ""},
		"a set":          {`{"keys":[` + good + `]}`, 1, 0, ""},
		"none yet":       {`{"keys":[]}`, 0, 0, ""},
		"others":         {`{"keys":[{"kty":"AKP","kid":"b"},` + good + `,{"kty":"oct","k":"AAAA"},7]}`, 1, 3, ""},
		"same id":        {`{"keys":[` + good + `,` + good + `]}`, 1, 1, ""},
		"none is usable": {`{"keys":[{"kty":"AKP","kid":"b"}]}`, 0, 0, "no key in it that can be used"},
		"no JSON":        {planted, 0, 0, "not such JSON"},
		"other JSON":     {`{"a":"` + planted + `"}`, 0, 0, "JSON without keys"},
		"keys no list":   {`{"keys":"` + planted + `"}`, 0, 0, "not such JSON"},
		"too large":      {`{"keys":[]}` + strings.Repeat(" ", localkeys.MaxSize), 0, 0, "more than"},
	} {
		set, err := localkeys.ParseSet([]byte(tt.text))
		if tt.want != "" {
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), planted) {
				t.Errorf("%s: got error %v, want one with %q", name, err, tt.want)
			}
			continue
		}
		if err != nil || len(set.Keys) != tt.keys || len(set.Skipped) != tt.skipped {
			t.Errorf("%s: got %d keys, skipped %q, error %v, want %d and %d", name, len(set.Keys), set.Skipped, err, tt.keys, tt.skipped)
		}
	}
}
