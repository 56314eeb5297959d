package crypto_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	kitcrypto "github.com/dapr/kit/crypto"
	enc "github.com/dapr/kit/schemes/enc/v1"

	abicrypto "github.com/mrt-wasm/mrt-wasm/abi/crypto"
)

// kitEncrypt and kitDecrypt are Dapr's side, with the keys of the test's vault.
func kitEncrypt(t *testing.T, message []byte, key string, algorithm enc.KeyAlgorithm, cipher enc.Cipher) []byte {
	t.Helper()
	r, err := enc.Encrypt(bytes.NewReader(message), enc.EncryptOptions{
		KeyName: key, Algorithm: algorithm, Cipher: &cipher,
		WrapKeyFn: func(plaintext []byte, algorithm, key string, nonce []byte) ([]byte, []byte, error) {
			return kitcrypto.Encrypt(bytes.Clone(plaintext), algorithm, keys()[key], nonce, nil)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func kitDecrypt(t *testing.T, message []byte) []byte {
	t.Helper()
	r, err := enc.Decrypt(bytes.NewReader(message), enc.DecryptOptions{
		UnwrapKeyFn: func(wrapped []byte, algorithm, key string, nonce, tag []byte) ([]byte, error) {
			return kitcrypto.Decrypt(bytes.Clone(wrapped), algorithm, keys()[key], nonce, tag, nil)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestMessagesAreDaprs: what the block encrypts, Dapr's library decrypts, and the other way round: of any length, with
// every cipher and every algorithm that a key of a vault can have without a nonce.
func TestMessagesAreDaprs(t *testing.T) {
	f := started(t, nil, declared("vault", nil))
	sizes := []int{0, 1, 15, 16, 17, enc.SegmentSize - 1, enc.SegmentSize, enc.SegmentSize + 1, 2 * enc.SegmentSize, 3*enc.SegmentSize + 7, 1 << 20}
	for _, size := range sizes {
		message := random(size)
		for _, w := range []struct {
			key, algorithm string
			kit            enc.KeyAlgorithm
		}{
			{"aes256", "A256KW", enc.KeyAlgorithmAES256KW},
			{"aes256", "aes", enc.KeyAlgorithmAES},
			{"rsa", "RSA-OAEP-256", enc.KeyAlgorithmRSAOAEP256},
			{"rsa", "Rsa", enc.KeyAlgorithmRSA},
		} {
			for cipher, kit := range map[abicrypto.DataCipher]enc.Cipher{
				abicrypto.DataCipherAesGcm: enc.CipherAESGCM, abicrypto.DataCipherChacha20Poly1305: enc.CipherChaCha20Poly1305,
			} {
				name := fmt.Sprint(size, " bytes, ", w.algorithm, ", ", cipher)
				got, failed := f.cipher["one"].Encrypt(t.Context(), "", message, abicrypto.EncryptOptions{
					KeyName: w.key, KeyWrapAlgorithm: w.algorithm, DataCipher: cipher,
				})
				if failed != nil {
					t.Fatalf("%s: encrypt: %v", name, failed)
				}
				if cap(got) != len(got) {
					t.Errorf("%s: the message has %d bytes in a buffer of %d", name, len(got), cap(got))
				}
				if !bytes.Equal(kitDecrypt(t, got), message) {
					t.Errorf("%s: Dapr's library does not get the message back", name)
				}
				for by, encrypted := range map[string][]byte{"the block": got, "Dapr's library": kitEncrypt(t, message, w.key, w.kit, kit)} {
					back, failed := f.cipher["two"].Decrypt(t.Context(), "vault", encrypted, "")
					if failed != nil || !bytes.Equal(back, message) {
						t.Errorf("%s: a message of %s: got %d bytes, error %v", name, by, len(back), failed)
					}
				}
			}
		}
	}
}

// manifestOf gives the second line of a message.
func manifestOf(t *testing.T, message []byte) enc.Manifest {
	t.Helper()
	lines := bytes.SplitN(message, []byte("\n"), 4)
	if len(lines) != 4 || string(lines[0]) != enc.SchemeName {
		t.Fatalf("the message is %.200q", message)
	}
	var m enc.Manifest
	if err := json.Unmarshal(lines[1], &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// TestKeyNames: what stands in the message, and what overrides it.
func TestKeyNames(t *testing.T) {
	f := started(t, nil, declared("vault", nil))
	for _, tc := range []struct {
		name    string
		options abicrypto.EncryptOptions
		in      string // the message
		give    string // to decrypt with
		unwraps string
	}{
		{"by default", abicrypto.EncryptOptions{KeyName: "aes256"}, "aes256", "", "aes256"},
		{"version", abicrypto.EncryptOptions{KeyName: "aes256/7"}, "aes256/7", "", "aes256/7"},
		{"another name", abicrypto.EncryptOptions{KeyName: "aes256", DecryptionKeyName: "aes256/3"}, "aes256/3", "", "aes256/3"},
		{"overridden", abicrypto.EncryptOptions{KeyName: "aes256", DecryptionKeyName: "gone"}, "gone", "aes256/4", "aes256/4"},
		{"omitted", abicrypto.EncryptOptions{KeyName: "aes256", DecryptionKeyName: "x", OmitDecryptionKeyName: true}, "", "aes256", "aes256"},
	} {
		tc.options.KeyWrapAlgorithm = "A256KW"
		message, failed := f.cipher["one"].Encrypt(t.Context(), "", []byte("hello"), tc.options)
		if failed != nil {
			t.Fatalf("%s: %v", tc.name, failed)
		}
		if m := manifestOf(t, message); m.KeyName != tc.in {
			t.Errorf("%s: the message names the key %q, want %q", tc.name, m.KeyName, tc.in)
		}
		f.vaults["vault"].calls()
		got, failed := f.cipher["one"].Decrypt(t.Context(), "", message, tc.give)
		if failed != nil || string(got) != "hello" {
			t.Errorf("%s: decrypt: got %q, error %v", tc.name, got, failed)
		}
		if calls := f.vaults["vault"].calls(); len(calls) != 1 || calls[0] != "unwrap "+tc.unwraps {
			t.Errorf("%s: the vault was asked %q, want unwrap of %s", tc.name, calls, tc.unwraps)
		}
		if tc.give != "" {
			if _, failed := f.cipher["one"].Decrypt(t.Context(), "", message, ""); failed == nil {
				t.Errorf("%s: decrypt without a name: got no error", tc.name)
			}
		}
	}
}

// TestTampered: nothing of a message can be changed, moved or left out without that it is found, and nobody is told which.
func TestTampered(t *testing.T) {
	f := started(t, nil, declared("vault", nil))
	message := random(2*enc.SegmentSize + 100)
	encrypted, failed := f.cipher["one"].Encrypt(t.Context(), "", message, abicrypto.EncryptOptions{KeyName: "aes256", KeyWrapAlgorithm: "AES"})
	if failed != nil {
		t.Fatal(failed)
	}
	head := len(encrypted) - len(message) - 3*enc.SegmentOverhead
	const segment = enc.SegmentSize + enc.SegmentOverhead
	m := manifestOf(t, encrypted)
	lines := strings.SplitN(string(encrypted), "\n", 4)
	changed := func(at int) []byte {
		out := bytes.Clone(encrypted)
		out[at] ^= 1
		return out
	}
	manifest := func(change func(*enc.Manifest)) []byte {
		mm := m
		change(&mm)
		text, err := json.Marshal(&mm)
		if err != nil {
			t.Fatal(err)
		}
		return []byte(strings.Join([]string{lines[0], string(text), lines[2], lines[3]}, "\n"))
	}
	swapped := bytes.Clone(encrypted)
	copy(swapped[head:], encrypted[head+segment:head+2*segment])
	copy(swapped[head+segment:], encrypted[head:head+segment])
	for name, bad := range map[string][]byte{
		"first byte":           changed(head),
		"second segment":       changed(head + segment + 3),
		"last byte":            changed(len(encrypted) - 1),
		"a byte too few":       encrypted[:len(encrypted)-1],
		"without the last":     encrypted[:head+2*segment],
		"one segment":          encrypted[:head+segment],
		"less than a tag":      encrypted[:head+2*segment+5],
		"a byte too many":      append(bytes.Clone(encrypted), 0),
		"a segment twice":      append(bytes.Clone(encrypted), encrypted[head+2*segment:]...),
		"without the first":    append(bytes.Clone(encrypted[:head]), encrypted[head+segment:]...),
		"swapped":              swapped,
		"wrapped key":          manifest(func(m *enc.Manifest) { m.WFK = append([]byte{m.WFK[0] ^ 1}, m.WFK[1:]...) }),
		"nonce prefix":         manifest(func(m *enc.Manifest) { m.NoncePrefix = make([]byte, enc.NoncePrefixLength) }),
		"cipher":               manifest(func(m *enc.Manifest) { m.Cipher = enc.CipherChaCha20Poly1305 }),
		"another name":         manifest(func(m *enc.Manifest) { m.KeyName = "aes256/2" }),
		"another key":          manifest(func(m *enc.Manifest) { m.KeyName = "other" }),
		"another code":         []byte(lines[0] + "\n" + lines[1] + "\n" + base64.StdEncoding.EncodeToString(make([]byte, 32)) + "\n" + lines[3]),
		"a short code":         []byte(lines[0] + "\n" + lines[1] + "\nAAAA\n" + lines[3]),
		"white space":          []byte(lines[0] + "\n" + lines[1] + " \n" + lines[2] + "\n" + lines[3]),
		"an empty code":        []byte(lines[0] + "\n" + lines[1] + "\n\n" + lines[3]),
		"a shorter first part": append(bytes.Clone(encrypted[:head]), encrypted[head+1:]...),
	} {
		got, failed := f.cipher["one"].Decrypt(t.Context(), "", bad, "")
		if failed == nil || failed.Tag != abicrypto.ErrorFailed || got != nil ||
			failed.Value != "crypto component vault: failed to decrypt the message: it was changed or cut off, or this is not its key" {
			t.Errorf("%s: got %d bytes, error %v", name, len(got), failed)
		}
	}
	// Another algorithm for the same key is told by the vault as what it is.
	bad := manifest(func(m *enc.Manifest) { m.KeyWrappingAlgorithm = enc.KeyAlgorithmRSAOAEP256 })
	if _, failed := f.cipher["one"].Decrypt(t.Context(), "", bad, ""); failed == nil || failed.Tag != abicrypto.ErrorInvalidRequest {
		t.Errorf("algorithm: got %v", failed)
	}
}

// TestNotAMessage: what is not of the scheme at all.
func TestNotAMessage(t *testing.T) {
	f := started(t, nil, declared("vault", nil))
	const good = `{"k":"aes256","kw":1,"wfk":"AAAA","cph":1,"np":"AAAAAAAAAA=="}`
	for text, want := range map[string]string{
		"":                                     "does not begin with the scheme's name",
		"\n":                                   "does not begin with the scheme's name",
		"dapr.io/enc/v1":                       "does not begin with the scheme's name",
		"dapr.io/enc/v2\n{}\nAAAA\n":           "does not begin with the scheme's name",
		"hello, world\n":                       "does not begin with the scheme's name",
		"dapr.io/enc/v1\n" + good:              "it has no manifest",
		"dapr.io/enc/v1\n" + good + "\nAAAA":   "it has no authentication code",
		"dapr.io/enc/v1\n\n\n":                 "its manifest is not valid",
		"dapr.io/enc/v1\n{}\nAAAA\n":           "its manifest is not valid",
		"dapr.io/enc/v1\nnull\nAAAA\n":         "its manifest is not valid",
		"dapr.io/enc/v1\n[\nAAAA\n":            "its manifest is not valid",
		"dapr.io/enc/v1\n" + good + "\n*\nxxx": "its authentication code is not base64",
		"dapr.io/enc/v1\n" + strings.Replace(good, `"kw":1`, `"kw":9`, 1) + "\nAAAA\n":               "its manifest is not valid",
		"dapr.io/enc/v1\n" + strings.Replace(good, `"cph":1`, `"cph":0`, 1) + "\nAAAA\n":             "its manifest is not valid",
		"dapr.io/enc/v1\n" + strings.Replace(good, `"np":"AAAA`, `"np":"`, 1) + "\nAAAA\n":           "its manifest is not valid",
		"dapr.io/enc/v1\n" + strings.Replace(good, `"aes256"`, `""`, 1) + "\nAAAA\n":                 "does not name its key",
		"dapr.io/enc/v1\n" + strings.Repeat("x", 64<<10) + "\nAAAA\n":                                "it has no manifest",
		"dapr.io/enc/v1\n" + strings.Replace(good, "aes", strings.Repeat("x", 5000), 1) + "\nAAAA\n": "want 4096 or fewer",
	} {
		_, failed := f.cipher["one"].Decrypt(t.Context(), "", []byte(text), "")
		if failed == nil || failed.Tag != abicrypto.ErrorInvalidRequest || !strings.Contains(failed.Value, want) {
			t.Errorf("%.60q: got %v, want %q", text, failed, want)
		}
	}
	if calls := f.vaults["vault"].calls(); len(calls) != 0 {
		t.Errorf("the vault was asked %q, want nothing", calls)
	}
}

// TestManyAtOnce: messages do not get into each other's way.
func TestManyAtOnce(t *testing.T) {
	f := started(t, nil, declared("vault", nil))
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			message := bytes.Repeat([]byte{byte(i)}, 100_000)
			for range 20 {
				encrypted, failed := f.cipher["one"].Encrypt(t.Context(), "", message, abicrypto.EncryptOptions{KeyName: "aes256", KeyWrapAlgorithm: "AES"})
				if failed != nil {
					t.Error(failed)
					return
				}
				got, failed := f.cipher["one"].Decrypt(t.Context(), "", encrypted, "")
				if failed != nil || !bytes.Equal(got, message) {
					t.Errorf("got %d bytes, error %v", len(got), failed)
					return
				}
			}
		})
	}
	wg.Wait()
}

// TestCancelled: nobody waits for the end of a message.
func TestCancelled(t *testing.T) {
	f := started(t, nil, declared("vault", nil))
	o := abicrypto.EncryptOptions{KeyName: "aes256", KeyWrapAlgorithm: "AES"}
	message, failed := f.cipher["one"].Encrypt(t.Context(), "", random(100), o)
	if failed != nil {
		t.Fatal(failed)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, failed := f.cipher["one"].Encrypt(ctx, "", random(100), o); failed == nil || !strings.Contains(failed.Value, context.Canceled.Error()) {
		t.Errorf("encrypt: got %v", failed)
	}
	if _, failed := f.cipher["one"].Decrypt(ctx, "", message, ""); failed == nil || !strings.Contains(failed.Value, context.Canceled.Error()) {
		t.Errorf("decrypt: got %v", failed)
	}
}

// FuzzDecrypt: whatever comes, the answer is an error of one of three classes, or a message.
func FuzzDecrypt(f *testing.F) {
	fix := started(f, nil, declared("vault", nil))
	for _, size := range []int{0, 5, 70_000} {
		message, failed := fix.cipher["one"].Encrypt(f.Context(), "", random(size), abicrypto.EncryptOptions{KeyName: "aes256", KeyWrapAlgorithm: "AES"})
		if failed != nil {
			f.Fatal(failed)
		}
		f.Add(message, "")
		f.Add(message, "rsa")
		f.Add(message[:len(message)/2], "aes256")
	}
	f.Add([]byte("dapr.io/enc/v1\n{\"k\":\"aes256\",\"kw\":5,\"wfk\":\"AAAA\",\"cph\":2,\"np\":\"AAAAAAAAAA==\"}\nAAAA\n"), "rsa")
	f.Fuzz(func(t *testing.T, message []byte, key string) {
		_, failed := fix.cipher["one"].Decrypt(t.Context(), "", message, key)
		if failed != nil && failed.Tag != abicrypto.ErrorFailed && failed.Tag != abicrypto.ErrorInvalidRequest && failed.Tag != abicrypto.ErrorKeyNotFound {
			t.Errorf("got %v", failed)
		}
	})
}
