// Command records is an app that keeps records encrypted, and signs and checks messages. Its keys stay in the vault.
package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/crypto"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/http"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state"
)

func init() {
	http.Route("PUT /records/{id}", put)
	http.Route("GET /records/{id}", get)
	http.Route("POST /messages/sign", sign)
	http.Route("POST /messages/receive", receive)
	http.Route("GET /messages/key", key)
}

func main() {}

// The keys, by their names in the vault: those of files.
const (
	recordKey  = "records.json"
	messageKey = "messages.pem"
)

// signatureField is the header field with a signature, in base64.
const signatureField = "X-Signature"

// Record is what is encrypted. It has its own id, so that a ciphertext that somebody moved to another id shows.
type Record struct {
	ID   string `json:"id"`
	Text string `json:"text"`
}

// failure answers with an error: only what cannot be reached is worth another try.
func failure(err error) *http.Response {
	switch {
	case errors.Is(err, state.ErrNotFound):
		return http.Error(404, "no such record")
	case errors.Is(err, crypto.ErrFailed), errors.Is(err, crypto.ErrInvalidRequest):
		return http.Error(422, "the record cannot be decrypted: it was changed, or encrypted with another key")
	case errors.Is(err, crypto.ErrUnavailable), errors.Is(err, state.ErrUnavailable):
		return http.Error(503, "%v", err)
	default:
		return http.Error(500, "%v", err)
	}
}

// put encrypts what it gets and keeps it.
func put(r *http.Request) *http.Response {
	plain, err := json.Marshal(Record{ID: r.Param("id"), Text: string(r.Body)})
	if err != nil {
		return failure(err)
	}
	sealed, err := crypto.Encrypt("", plain, crypto.Options{Key: recordKey, Algorithm: "A256KW"})
	if err != nil {
		return failure(err)
	}
	if err := state.Default.Set(r.Param("id"), sealed); err != nil {
		return failure(err)
	}
	return http.Text(201, "kept\n")
}

// get reads a record and decrypts it.
func get(r *http.Request) *http.Response {
	sealed, err := state.Default.Get(r.Param("id"))
	if err != nil {
		return failure(err)
	}
	plain, err := crypto.Decrypt("", sealed.Value)
	if err != nil {
		return failure(err)
	}
	var record Record
	if err := json.Unmarshal(plain, &record); err != nil {
		return failure(err)
	}
	if record.ID != r.Param("id") {
		return http.Error(422, "the record is another one's")
	}
	return http.Text(200, record.Text)
}

// sign signs a message that goes to somebody, who checks it with the public key.
func sign(r *http.Request) *http.Response {
	digest := sha256.Sum256(r.Body)
	signature, err := crypto.Subtle("").Sign(messageKey, "ES256", digest[:])
	if err != nil {
		return failure(err)
	}
	return http.Text(200, base64.StdEncoding.EncodeToString(signature)+"\n")
}

// receive is a webhook: it takes messages that are signed, and no others.
func receive(r *http.Request) *http.Response {
	signature, err := base64.StdEncoding.DecodeString(r.Header.Get(signatureField))
	if err != nil || len(signature) == 0 {
		return http.Error(401, "want a signature in base64 in the header field %s", signatureField)
	}
	digest := sha256.Sum256(r.Body)
	ok, err := crypto.Subtle("").Verify(messageKey, "ES256", digest[:], signature)
	switch {
	case err != nil:
		return failure(err)
	case !ok:
		return http.Error(401, "the signature is not one of this message")
	default:
		return http.Text(202, "taken\n")
	}
}

// key gives the public key, in PEM.
func key(*http.Request) *http.Response {
	public, err := crypto.Subtle("").PublicKey(messageKey, crypto.PEM)
	if err != nil {
		return failure(err)
	}
	return http.Text(200, public.Key)
}
