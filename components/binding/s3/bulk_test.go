package s3

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
)

func TestBulk(t *testing.T) {
	server := testserver.S3(t)
	server.Bucket("objects")
	b := using(t, on(server))
	made := parsed[[]bulkResult](t, invoke(t, b, "bulkCreate",
		`{"items": [{"key": "a", "data": "1", "contentType": "text/x"}, {"key": "b", "data": "2"}, {"key": "", "data": "3"}, {"key": "c"}, {"key": "d", "filePath": "/etc/passwd"}], "concurrency": 2}`))
	want := []bulkResult{{Key: "a", Location: server.URL + "/objects/a"}, {Key: "b", Location: server.URL + "/objects/b"}, {}, {Key: "c"}, {Key: "d"}}
	errs := []string{"", "", "key is missing", "data is missing", "files of this machine"}
	for i := range want {
		if !strings.Contains(made[i].Error, errs[i]) || (made[i].Error == "") != (errs[i] == "") {
			t.Errorf("bulkCreate %d: got %+v, want error %q", i, made[i], errs[i])
		}
		if made[i].Error = ""; made[i] != want[i] {
			t.Errorf("bulkCreate %d: got %+v, want %+v", i, made[i], want[i])
		}
	}
	got := parsed[[]bulkResult](t, invoke(t, b, "bulkGet", `{"items": [{"key": "b"}, {"key": "none"}, {"key": "a"}]}`, "encodeBase64", "true"))
	if got[0].Data != "Mg==" || got[2].Data != "MQ==" || !strings.Contains(got[1].Error, "not found") || got[1].Data != "" {
		t.Errorf("bulkGet: got %+v", got)
	}
	invoke(t, b, "bulkCreate", `{"items": [{"key": "e", "data": "aGVsbG8="}]}`, "decodeBase64", "true")
	if got := invoke(t, b, "get", "", "key", "e"); string(got.Data) != "hello" {
		t.Errorf("bulkCreate of base64: got %s", got.Data)
	}
	gone := parsed[[]bulkResult](t, invoke(t, b, "bulkDelete", `{"keys": ["a", "none", "", "a"]}`))
	if len(gone) != 4 || gone[0].Error != "" || gone[1].Error != "" || gone[2].Error != "key is missing" || gone[3].Error != "" {
		t.Errorf("bulkDelete: got %+v", gone)
	}
	if left := names(parsed[listPage](t, invoke(t, b, "list", ""))); !slices.Equal(left, []string{"b", "e"}) {
		t.Errorf("after bulkDelete: got %q", left)
	}
	// More than the server takes in one request.
	items, keys := make([]string, 1100), make([]string, 1100)
	for i := range items {
		keys[i] = fmt.Sprintf("%q", "many"+strconv.Itoa(i))
		items[i] = `{"key": ` + keys[i] + `, "data": "x"}`
	}
	invoke(t, b, "bulkCreate", `{"concurrency": 1000, "items": [`+strings.Join(items, ",")+`]}`)
	for _, result := range parsed[[]bulkResult](t, invoke(t, b, "bulkDelete", `{"keys": [`+strings.Join(keys, ",")+`]}`)) {
		if result.Error != "" {
			t.Fatalf("bulkDelete of many: got %+v", result)
		}
	}
	if left := names(parsed[listPage](t, invoke(t, b, "list", ""))); len(left) != 2 {
		t.Errorf("after bulkDelete of many: %d are left", len(left))
	}
}
