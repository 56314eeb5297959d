package witgen

import (
	"context"
	"path"
)

// Where this repository keeps what is generated, from its root on.
const (
	hostDir  = "abi"
	guestDir = "guest-sdk/go/internal/wit"
	docsDir  = "docs/blocks"
)

// Repository gives all files of this repository that are generated from the WIT at dir, by their names from the
// repository's root on: the host's glue, the guests' and the blocks' pages.
func Repository(ctx context.Context, dir string) ([]File, error) {
	set, err := Load(ctx, dir)
	if err != nil {
		return nil, err
	}
	host, err := HostTree(set, modulePath+"/"+hostDir)
	if err != nil {
		return nil, err
	}
	guest, err := GuestTree(set, modulePath+"/"+guestDir)
	if err != nil {
		return nil, err
	}
	var out []File
	for _, tree := range []struct {
		dir   string
		files []File
	}{{hostDir, host}, {guestDir, guest}, {docsDir, Docs(set)}} {
		for _, f := range tree.files {
			out = append(out, File{Name: path.Join(tree.dir, f.Name), Data: f.Data})
		}
	}
	return out, nil
}
