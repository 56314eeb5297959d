package state

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/host/component"
)

const (
	key16 = "00112233445566778899aabbccddeeff"
	key24 = key16 + "0011223344556677"
	key32 = key16 + key16
)

func newTestCrypt(t *testing.T, primary, secondary string) *crypt {
	t.Helper()
	c, err := newCrypt(component.Metadata{"primaryEncryptionKey": primary, "secondaryEncryptionKey": secondary})
	if err != nil {
		t.Fatalf("keys: %v", err)
	}
	return c
}

func TestCryptRoundTrip(t *testing.T) {
	for _, key := range []string{key16, key24, key32} {
		c := newTestCrypt(t, key, "")
		for _, value := range []string{"", "secret", "with || inside", strings.Repeat("x", 1<<20)} {
			stored := c.encrypt([]byte(value))
			if value != "" && bytes.Contains(stored, []byte(value)) {
				t.Errorf("%d-digit key: the stored value shows %.20q", len(key), value)
			}
			if bytes.Equal(stored, c.encrypt([]byte(value))) {
				t.Errorf("%d-digit key: two encryptions of %.20q are equal; the nonce must differ", len(key), value)
			}
			got, err := c.decrypt(stored)
			if err != nil || got == nil || string(got) != value {
				t.Errorf("%d-digit key: got %.20q, error %v, want %.20q", len(key), got, err, value)
			}
		}
	}
}

// TestCryptFormat opens a stored value as Dapr does.
func TestCryptFormat(t *testing.T) {
	c := newTestCrypt(t, key32, "")
	text, name, ok := strings.Cut(string(c.encrypt([]byte("v"))), "||")
	if !ok || len(name) != 16 {
		t.Fatalf("stored: got %q and key name %q, want base64||name", text, name)
	}
	sealed, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	got, err := gcm(t, key32).Open(nil, sealed[:12], sealed[12:], nil)
	if err != nil || string(got) != "v" {
		t.Errorf("opened: got %q, error %v, want v", got, err)
	}
}

func gcm(t *testing.T, key string) cipher.AEAD {
	t.Helper()
	raw, err := hex.DecodeString(key)
	if err != nil {
		t.Fatal(err)
	}
	b, err := aes.NewCipher(raw)
	if err != nil {
		t.Fatal(err)
	}
	g, err := cipher.NewGCM(b)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// TestCryptReadsDapr: Dapr's key names are those of secrets, which are not known here.
func TestCryptReadsDapr(t *testing.T) {
	nonce := make([]byte, 12)
	sealed := gcm(t, key16).Seal(nonce, nonce, []byte("theirs"), nil)
	stored := []byte(base64.StdEncoding.EncodeToString(sealed) + "||my-secret")
	for name, c := range map[string]*crypt{"primary": newTestCrypt(t, key16, key32), "secondary": newTestCrypt(t, key32, key16)} {
		if got, err := c.decrypt(stored); err != nil || string(got) != "theirs" {
			t.Errorf("%s: got %q, error %v, want theirs", name, got, err)
		}
	}
}

func TestCryptRotation(t *testing.T) {
	old := newTestCrypt(t, key16, "").encrypt([]byte("v"))
	rotated := newTestCrypt(t, key32, key16)
	if got, err := rotated.decrypt(old); err != nil || string(got) != "v" {
		t.Errorf("value of the old key: got %q, error %v, want v", got, err)
	}
	fresh := rotated.encrypt([]byte("w"))
	if got, err := newTestCrypt(t, key32, "").decrypt(fresh); err != nil || string(got) != "w" {
		t.Errorf("value written after the rotation: got %q, error %v, want w", got, err)
	}
	_, err := newTestCrypt(t, key24, "").decrypt(old)
	if err == nil || !strings.Contains(err.Error(), "which is neither primaryEncryptionKey nor secondaryEncryptionKey") {
		t.Errorf("value of a key that is gone: got error %v", err)
	}
}

func TestCryptRefusesWhatWasChanged(t *testing.T) {
	c := newTestCrypt(t, key32, key16)
	stored := c.encrypt([]byte("value"))
	for name, bad := range map[string][]byte{
		"clear text":     []byte(`{"a": 1}`),
		"empty":          {},
		"only separator": []byte("||"),
		"no base64":      []byte("%%%||" + c.primary.name),
		"too short":      []byte("AAAA||" + c.primary.name),
		"changed":        append([]byte("A"), stored[1:]...),
		"cut off":        append(bytes.Clone(stored[:8]), stored[12:]...),
	} {
		if bytes.Equal(bad, stored) {
			continue // the first letter was an A
		}
		if got, err := c.decrypt(bad); err == nil {
			t.Errorf("%s: got %q, want an error", name, got)
		}
	}
}

func TestCryptKeys(t *testing.T) {
	for _, tc := range []struct {
		name     string
		metadata component.Metadata
		want     string
	}{
		{"none", component.Metadata{}, ""},
		{"not hexadecimal", component.Metadata{"primaryEncryptionKey": "secret!!"}, "metadata field primaryEncryptionKey: want 16, 24 or 32 bytes in hexadecimal, found other characters or an odd number of digits"},
		{"length", component.Metadata{"primaryEncryptionKey": "0011"}, "metadata field primaryEncryptionKey: want 16, 24 or 32 bytes in hexadecimal, found 2 bytes"},
		{"empty", component.Metadata{"primaryEncryptionKey": ""}, "metadata field primaryEncryptionKey is empty: values would be stored in clear; give the key by envRef or value, or take the field out"},
		{"secondary alone", component.Metadata{"secondaryEncryptionKey": key16}, "metadata field primaryEncryptionKey is missing: secondaryEncryptionKey only decrypts what an earlier primary key encrypted"},
	} {
		c, err := newCrypt(tc.metadata)
		if tc.want == "" && (err != nil || c != nil) || tc.want != "" && (err == nil || err.Error() != tc.want) {
			t.Errorf("%s: got %v, error %v, want %q", tc.name, c, err, tc.want)
		}
	}
}
