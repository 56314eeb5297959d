package testserver_test

import (
	"context"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
)

func TestMain(m *testing.M) { os.Exit(testserver.Main(m.Run)) }

func TestPostgresKeepsItsDataOnTheSamePort(t *testing.T) {
	s := testserver.Postgres(t)
	s.Exec("CREATE TABLE t (a text); INSERT INTO t VALUES ('kept')")
	s.Stop()
	if conn, err := pgx.Connect(t.Context(), s.DSN()); err == nil {
		_ = conn.Close(context.Background())
		t.Fatal("stopped: want an error, got none")
	}
	s.Start()
	var got string
	if err := s.Conn().QueryRow(t.Context(), "SELECT a FROM t").Scan(&got); err != nil || got != "kept" {
		t.Fatalf("started again: got %q, %v; want what was there before", got, err)
	}
}

func TestPostgresDatabasesAreApart(t *testing.T) {
	one, two := testserver.Postgres(t), testserver.Postgres(t)
	one.Exec("CREATE TABLE t (a text)")
	two.Exec("CREATE TABLE t (a text)")
	var linguistic bool
	if err := one.Conn().QueryRow(t.Context(), "SELECT 'B' > 'a'").Scan(&linguistic); err != nil || !linguistic {
		t.Errorf("B stands behind a: got %t, %v", linguistic, err)
	}
}
