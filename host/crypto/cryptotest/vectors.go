package cryptotest

import (
	"bytes"
	"crypto/ed25519"
	"slices"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/host/crypto"
)

// vector is a published example, in hex.
type vector struct {
	from, algorithm, key, nonce, label, plain, sealed, tag string
}

const (
	counting   = "000102030405060708090a0b0c0d0e0f"
	counting16 = counting + "101112131415161718191a1b1c1d1e1f"
	chachaKey  = "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"
	sunscreen  = "4c616469657320616e642047656e746c656d656e206f662074686520636c617373206f66202739393a204966204920636f756c64206f6666657220796f75206f6e6c79206f6e652074697020666f7220746865206675747572652c2073756e73637265656e20776f756c642062652069742e"
	gcmKey     = "feffe9928665731c6d6a8f9467308308"
	gcmLabel   = "feedfacedeadbeeffeedfacedeadbeefabaddad2"
	gcmPlain   = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
	kerckhoffs = "41206369706865722073797374656d206d757374206e6f7420626520726571756972656420746f206265207365637265742c20616e64206974206d7573742062652061626c6520746f2066616c6c20696e746f207468652068616e6473206f662074686520656e656d7920776974686f757420696e636f6e76656e69656e6365"
	principle  = "546865207365636f6e64207072696e6369706c65206f662041756775737465204b6572636b686f666673"
)

var vectors = []vector{
	{"RFC 3394, 4.1", "A128KW", counting, "", "", "00112233445566778899aabbccddeeff", "1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5", ""},
	{"RFC 3394, 4.2", "A192KW", counting16[:48], "", "", "00112233445566778899aabbccddeeff", "96778b25ae6ca435f92b5b97c050aed2468ab8a17ad84e5d", ""},
	{"RFC 3394, 4.3", "A256KW", counting16, "", "", "00112233445566778899aabbccddeeff", "64e8c3f9ce0f5ba263e9777905818a2a93c8191e7d6e8ae7", ""},
	{
		"RFC 3394, 4.6", "A256KW", counting16, "", "", "00112233445566778899aabbccddeeff" + counting,
		"28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21", "",
	},
	{"SP 800-38A, F.2.1", "A128CBC-NOPAD", "2b7e151628aed2a6abf7158809cf4f3c", counting, "", "6bc1bee22e409f96e93d7e117393172a", "7649abac8119b246cee98e9b12e9197d", ""},
	{
		"SP 800-38A, F.2.5", "A256CBC-NOPAD", "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", counting, "",
		"6bc1bee22e409f96e93d7e117393172a", "f58c4c04d6e5f1ba779eabfb5f7bfbd6", "",
	},
	{
		"GCM specification, case 4", "A128GCM", gcmKey, "cafebabefacedbaddecaf888", gcmLabel, gcmPlain,
		"42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
		"5bc94fbc3221a5db94fae95ae7121a47",
	},
	{
		"GCM specification, case 16", "A256GCM", gcmKey + gcmKey, "cafebabefacedbaddecaf888", gcmLabel, gcmPlain,
		"522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
		"76fc6ece0f4e1768cddf8853bb2d551b",
	},
	{
		"RFC 7518, B.1", "A128CBC-HS256", counting16, "1af38c2dc2b96ffdd86694092341bc04", principle, kerckhoffs,
		"c80edfa32ddf39d5ef00c0b468834279a2e46a1b8049f792f76bfe54b903a9c9a94ac9b47ad2655c5f10f9aef71427e2fc6f9b3f399a221489f16362c703233609d45ac69864e3321cf82935ac4096c86e133314c54019e8ca7980dfa4b9cf1b384c486f3a54c51078158ee5d79de59fbd34d848b3d69550a67646344427ade54b8851ffb598f7f80074b9473c82e2db",
		"652c3fa36b0a7c5b3219fab3a30bc1c4",
	},
	{
		"RFC 7518, B.3", "A256CBC-HS512", counting16 + "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f", "1af38c2dc2b96ffdd86694092341bc04", principle, kerckhoffs,
		"4affaaadb78c31c5da4b1b590d10ffbd3dd8d5d302423526912da037ecbcc7bd822c301dd67c373bccb584ad3e9279c2e6d12a1374b77f077553df829410446b36ebd97066296ae6427ea75c2e0846a11a09ccf5370dc80bfecbad28c73f09b3a3b75e662a2594410ae496b2e2e6609e31e6e02cc837f053d21f37ff4f51950bbe2638d09dd7a4930930806d0703b1f6",
		"4dd3b4c088a7f45c216839645b2012bf2e6269a8c56a816dbc1b267761955bc5",
	},
	{
		"RFC 8439, 2.8.2", "C20P", chachaKey, "070000004041424344454647", "50515253c0c1c2c3c4c5c6c7", sunscreen,
		"d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b6116",
		"1ae10b594f09e26a7e902ecbd0600691",
	},
	{
		"draft-irtf-cfrg-xchacha, A.3.1", "XC20P", chachaKey, "404142434445464748494a4b4c4d4e4f5051525354555657", "50515253c0c1c2c3c4c5c6c7", sunscreen,
		"bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff921f9664c97637da9768812f615c68b13b52e",
		"c0875924c1c7987947deafd8780acf49",
	},
}

// The second example of RFC 8032, 7.1.
const (
	edSeed      = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"
	edMessage   = "72"
	edSignature = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)

// vectors: published examples come out as published, where the vault has their keys.
func (s *suite) vectors(t *testing.T) {
	for _, key := range s.keys {
		raw, _ := key.Raw.([]byte)
		for _, v := range vectors {
			if !bytes.Equal(raw, unhex(v.key)) || !slices.Contains(key.Algorithms, v.algorithm) {
				continue
			}
			t.Run(v.from, func(t *testing.T) {
				op := crypto.Operation{Key: key.Name, Algorithm: v.algorithm, Data: unhex(v.plain), Nonce: unhex(v.nonce), AssociatedData: unhex(v.label)}
				sealed := s.seal(t, op, false)
				if !bytes.Equal(sealed.Data, unhex(v.sealed)) || !bytes.Equal(sealed.Tag, unhex(v.tag)) {
					t.Errorf("got %x and tag %x, want %s and %s", sealed.Data, sealed.Tag, v.sealed, v.tag)
				}
				op.Data, op.Tag = unhex(v.sealed), unhex(v.tag)
				s.unseal(t, op, false, unhex(v.plain))
				s.unseal(t, op, true, unhex(v.plain))
			})
		}
		if pair, ok := key.Raw.(ed25519.PrivateKey); ok && bytes.Equal(pair.Seed(), unhex(edSeed)) {
			got, err := s.Sign(t.Context(), key.Name, "EdDSA", unhex(edMessage))
			if err != nil || !bytes.Equal(got, unhex(edSignature)) {
				t.Errorf("RFC 8032, 7.1: got %x, error %v, want %s", got, err, edSignature)
			}
		}
	}
}
