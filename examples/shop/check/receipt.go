package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// receipt is a receipt as it is on disk.
type receipt struct {
	Order, Item, Kind, Greeting, Signature string
	Qty                                    int
}

// receipt reads an order's receipt from the folder, and checks its signature and that the shop shows the same.
func (s *shop) receipt(id string) (receipt, error) {
	var r receipt
	file := filepath.Join(s.receipts, id+".json")
	text, err := os.ReadFile(file)
	if err != nil {
		return r, err
	}
	if err := s.want("GET", "/receipts/"+id, "", 200, string(text)); err != nil {
		return r, err
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fmt.Errorf("%s: %w: %s", file, err, text)
	}
	key, err := s.key()
	if err != nil {
		return r, err
	}
	// The signature is the last field, and what is signed is everything but it.
	signed, found := strings.CutSuffix(string(text), `,"signature":"`+r.Signature+`"}`)
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(signed + "}"))
	if want := hex.EncodeToString(mac.Sum(nil)); !found || r.Signature != want {
		return r, fmt.Errorf("%s: want the signature %s as its last field (is the key in %s the shop's?), got %s", file, want, s.secrets, text)
	}
	if r.Order != id {
		return r, fmt.Errorf("%s is the receipt of order %s", file, r.Order)
	}
	return r, nil
}

// key is what receipts are signed with.
func (s *shop) key() (string, error) {
	text, err := os.ReadFile(s.secrets)
	if err != nil {
		return "", err
	}
	var secrets struct {
		Receipts struct{ Key string }
	}
	if err := json.Unmarshal(text, &secrets); err != nil || secrets.Receipts.Key == "" {
		return "", fmt.Errorf(`%s: want {"receipts":{"key":…}}: %w`, s.secrets, err)
	}
	return secrets.Receipts.Key, nil
}
