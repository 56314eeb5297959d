package sqlitefile

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

func dsn(file string) string {
	return "file:" + filepath.ToSlash(file) + "?_txlock=immediate&_pragma=busy_timeout(60000)&_pragma=journal_mode(WAL)"
}

// TestManyOpen: handles that share nothing but the file, as those of several processes, all get a connection.
func TestManyOpen(t *testing.T) {
	for round := range 20 {
		file := filepath.Join(t.TempDir(), fmt.Sprint(round, ".db"))
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				c, err := Connector(dsn(file), time.Minute)
				if err != nil {
					t.Error(err)
					return
				}
				db := sql.OpenDB(c)
				defer func() { _ = db.Close() }()
				if _, err := db.ExecContext(t.Context(), `CREATE TABLE IF NOT EXISTS t (k INTEGER)`); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
}

// TestLockedForGood: who does not get the file in time is told so, and at once where no time is given.
func TestLockedForGood(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.db")
	c, err := Connector("file:"+filepath.ToSlash(file)+"?_pragma=locking_mode(EXCLUSIVE)&_pragma=journal_mode(WAL)", 0)
	if err != nil {
		t.Fatal(err)
	}
	holder := sql.OpenDB(c)
	defer func() { _ = holder.Close() }()
	if _, err := holder.ExecContext(t.Context(), `CREATE TABLE t (k INTEGER)`); err != nil {
		t.Fatal(err)
	}
	for _, busy := range []time.Duration{0, 20 * time.Millisecond} {
		c, err := Connector("file:"+filepath.ToSlash(file)+"?_pragma=journal_mode(WAL)", busy)
		if err != nil {
			t.Fatal(err)
		}
		if conn, err := c.Connect(t.Context()); err == nil || !isBusy(err) {
			t.Errorf("busy %s: got %v, error %v, want the library's busy", busy, conn, err)
		}
	}
}
