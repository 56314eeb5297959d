package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/binding"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/configuration"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/secret"
)

// Receipt is what is kept for an order.
type Receipt struct {
	Order    string `json:"order"`
	Item     string `json:"item"`
	Qty      int    `json:"qty"`
	Kind     string `json:"kind"` // "single" or "bulk", by the route
	Greeting string `json:"greeting"`
	// Signature is the HMAC-SHA256, in hex, of the receipt's JSON without this field.
	Signature string `json:"signature,omitempty"`
}

// sign adds greeting and signature to a receipt. Greeting and key are read for each one, so that a change counts for the
// next.
func sign(r Receipt) ([]byte, error) {
	var err error
	if r.Greeting, err = configuration.Value("", "greeting", "Thank you"); err != nil {
		return nil, err
	}
	key, err := secret.Value("", "receipts", "key")
	if err != nil {
		return nil, err
	}
	if key == "" {
		return nil, errors.New("the secret receipts has an empty key: nothing can be signed with it")
	}
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write(text)
	r.Signature = hex.EncodeToString(mac.Sum(nil))
	return json.Marshal(r)
}

// The binding "receipts" is a folder: a file an order.

func keep(order string, text []byte) error {
	_, err := binding.Invoke("receipts", "create", text, file(order))
	return err
}

func load(order string) ([]byte, error) {
	reply, err := binding.Invoke("receipts", "get", nil, file(order))
	if err != nil {
		return nil, err
	}
	return reply.Data, nil
}

func file(order string) map[string]string { return map[string]string{"fileName": order + ".json"} }
