package crypto

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/mrt-wasm/mrt-wasm/host/api"
	"github.com/mrt-wasm/mrt-wasm/host/block"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// Dapr's error codes.
const (
	codeNotConfigured = "ERR_CRYPTO_PROVIDERS_NOT_CONFIGURED"
	codeNotFound      = "ERR_CRYPTO_PROVIDER_NOT_FOUND"
	codeOperation     = "ERR_CRYPTO"
	codeKey           = "ERR_CRYPTO_KEY"
	codeBadRequest    = "ERR_BAD_REQUEST"
	codeMalformed     = "ERR_MALFORMED_REQUEST"
)

// Dapr's headers.
const (
	headerKeyName       = "Dapr-Key-Name"
	headerAlgorithm     = "Dapr-Key-Wrap-Algorithm"
	headerOmitKey       = "Dapr-Omit-Decryption-Key-Name"
	headerDecryptionKey = "Dapr-Decryption-Key-Name"
	headerCipher        = "Dapr-Data-Encryption-Cipher"
)

// Routes adds Dapr's crypto API, that for single operations included. A call is on behalf of the app that
// Config.CallerApp says.
func (b *Block) Routes(handle func(pattern string, h http.HandlerFunc)) {
	handle("PUT /v1.0-alpha1/crypto/{name}/encrypt", b.withProvider(serveEncrypt))
	handle("PUT /v1.0-alpha1/crypto/{name}/decrypt", b.withProvider(serveDecrypt))
	for name, serve := range subtleHandlers() {
		handle("POST /v1.0-alpha1/subtlecrypto/{name}/"+name, b.subtle(serve))
	}
}

// provider gives the vault that a request names.
func (b *Block) provider(r *http.Request) (*bound, error) {
	app := ""
	if b.cfg.CallerApp != nil {
		app = b.cfg.CallerApp(r)
	}
	p, err := b.bind(app, r.PathValue("name"))
	if err != nil {
		return nil, providerError(err)
	}
	return p, nil
}

// withProvider serves a request whose answer are bytes.
func (b *Block) withProvider(serve func(p *bound, r *http.Request) ([]byte, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		p, err := b.provider(r)
		if err != nil {
			block.WriteError(w, err)
			return
		}
		out, err := serve(p, r)
		if err != nil {
			block.WriteError(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Length", strconv.Itoa(len(out)))
		_, _ = w.Write(out) // an error means that the client is gone; nobody is left to tell
	}
}

func serveEncrypt(p *bound, r *http.Request) ([]byte, error) {
	o := &messageOptions{
		key: r.Header.Get(headerKeyName), algorithm: r.Header.Get(headerAlgorithm), cipher: r.Header.Get(headerCipher),
		omitKey: truthy(r.Header.Get(headerOmitKey)), decryptionKey: r.Header.Get(headerDecryptionKey),
	}
	switch {
	case o.key == "":
		return nil, badRequest("missing header 'dapr-key-name'")
	case o.algorithm == "":
		return nil, badRequest("missing header 'dapr-key-wrap-algorithm'")
	}
	body, err := api.ReadBody(r)
	if err != nil {
		return nil, err
	}
	out, err := p.encryptMessage(r.Context(), body, o)
	return out, operationError(err)
}

func serveDecrypt(p *bound, r *http.Request) ([]byte, error) {
	body, err := api.ReadBody(r)
	if err != nil {
		return nil, err
	}
	out, err := p.decryptMessage(r.Context(), body, r.Header.Get(headerKeyName))
	return out, operationError(err)
}

// truthy tells whether a header says yes, by all the words that Dapr knows for it.
func truthy(text string) bool {
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "y", "yes", "true", "t", "on", "1":
		return true
	default:
		return false
	}
}

// subtle serves a single operation. The body counts before the component, as in Dapr.
func (b *Block) subtle(serve subtleHandler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		req, err := readRequest(r)
		var p *bound
		if err == nil {
			p, err = b.provider(r)
		}
		var out any
		if err == nil {
			out, err = serve(r.Context(), p, req)
		}
		if err != nil {
			block.WriteError(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(out) // an error means that the client is gone; nobody is left to tell
	}
}

func badRequest(text string) error {
	return &block.APIError{Status: http.StatusBadRequest, Code: codeBadRequest, Message: "invalid request: " + text}
}

// providerError gives an error of bind with Dapr's codes and texts.
func providerError(err error) error {
	missing, ok := errors.AsType[*component.NotFoundError](err)
	switch {
	case !ok:
		return operationError(err)
	case len(missing.Have) == 0:
		return &block.APIError{
			Status: http.StatusInternalServerError, Code: codeNotConfigured,
			Message: "crypto providers not configured: declare a component such as crypto.dapr.localstorage",
		}
	default:
		return &block.APIError{
			Status: http.StatusBadRequest, Code: codeNotFound, Message: fmt.Sprintf("crypto provider %s not found: %s", missing.Name, err),
		}
	}
}

// operationError gives the error of an operation with Dapr's code; nil for nil.
func operationError(err error) error {
	if err == nil {
		return nil
	}
	return &block.APIError{
		Status: http.StatusInternalServerError, Code: codeOperation, Message: "failed to perform operation: " + err.Error(),
	}
}

func keyError(key string, err error) error {
	return &block.APIError{
		Status: http.StatusInternalServerError, Code: codeKey, Message: fmt.Sprintf("failed to retrieve key %s: %s", key, err),
	}
}
