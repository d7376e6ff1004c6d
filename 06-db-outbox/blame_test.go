package outbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

func TestWhoIsToBlame(t *testing.T) {
	t.Parallel()
	says := func(code, severity, message string) error {
		return fmt.Errorf("wrapped: %w",
			&pgconn.PgError{Code: code, Severity: severity, Message: message})
	}
	for name, c := range map[string]struct {
		err                  error
		data, setup, refused bool
	}{
		"no UUID":           {says("22P02", "ERROR", ""), true, false, true},
		"a NUL character":   {says("22021", "ERROR", ""), true, false, true},
		"out of range":      {says("22003", "ERROR", ""), true, false, true},
		"there already":     {says("23505", "ERROR", ""), true, false, true},
		"row too large":     {says("54000", "ERROR", ""), true, false, true},
		"a trigger refuses": {says("P0001", "ERROR", ""), true, false, true},
		"no such table":     {says("42P01", "ERROR", ""), false, true, true},
		"no right":          {says("42501", "ERROR", ""), false, true, true},
		"wrong password":    {says("28P01", "FATAL", ""), false, true, false},
		"no such database":  {says("3D000", "FATAL", ""), false, true, false},
		"other session":     {says("26000", "ERROR", ""), false, true, true},
		"a pooler's refusal": {says("08P01", "FATAL",
			"unsupported startup parameter: search_path"), false, true, false},
		"a pooler's trouble": {says("08P01", "FATAL", "server login has been failing"),
			false, false, false},
		"a deadlock":        {says("40P01", "ERROR", ""), false, false, true},
		"a full disk":       {says("53100", "ERROR", ""), false, false, true},
		"a standby":         {says("25006", "ERROR", ""), false, false, true},
		"a restart":         {says("57P01", "FATAL", ""), false, false, false},
		"a silence":         {context.DeadlineExceeded, false, false, false},
		"nobody at home":    {&pgconn.ConnectError{Config: new(pgconn.Config)}, false, false, true},
		"another's error":   {errors.New("no"), false, false, false},
		"no error":          {nil, false, false, false},
		"a strange code":    {says("22", "ERROR", ""), false, false, true},
		"no code":           {says("", "ERROR", ""), false, false, true},
		"an old transition": {says("2D000", "ERROR", ""), false, false, true},
	} {
		if got := badData(c.err); got != c.data {
			t.Errorf("%s: the data are to blame: %t", name, got)
		}
		if got := badSetup(c.err); got != c.setup {
			t.Errorf("%s: the set-up is to blame: %t", name, got)
		}
		if got := refused(c.err); got != c.refused {
			t.Errorf("%s: nothing was taken for sure: %t", name, got)
		}
	}
}

// fakePooler answers each session's first words as PgBouncer does: what it was told
// beside user, database and application_name it refuses; and else it has its own.
func fakePooler(t *testing.T, refusal pgproto3.ErrorResponse) (url string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			back := pgproto3.NewBackend(conn, conn)
			first, err := back.ReceiveStartupMessage()
			if startup, ok := first.(*pgproto3.StartupMessage); ok && err == nil {
				answer := refusal
				for name := range startup.Parameters {
					if name != "user" && name != "database" && name != "application_name" {
						answer.Message = "unsupported startup parameter: " + name
					}
				}
				back.Send(&answer)
				_ = back.Flush()
			}
			_ = conn.Close()
		}
	}()
	return "postgres://shop:shop@" + listener.Addr().String() + "/shop?sslmode=disable"
}

// What a person must mend ends the program that starts, with words that say how. It
// would wait forever, and nobody would know.
func TestWhatWaitingCannotMendIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ code, message, query, says string }{
		"a setting in the address": {"08P01", "", "&lock_timeout=1000",
			"take it out of DATABASE_URL"},
		"a wrong password": {"28P01", "password authentication failed", "",
			"check DATABASE_URL"},
		"no such database": {"3D000", `database "shop" does not exist`, "",
			"check the end of DATABASE_URL"},
		"a transaction pooler": {"26000", "prepared statement does not exist", "",
			"default_query_exec_mode=cache_describe"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := DefaultSettings()
			s.URL = fakePooler(t, pgproto3.ErrorResponse{
				Severity: "FATAL", Code: c.code, Message: c.message}) + c.query
			pool := newPool(t, s)
			for who, run := range map[string]func(context.Context) error{
				"producer": NewProducer(pool, s).Prepare,
				"consumer": NewConsumer(pool, s, noWork).Run,
			} {
				ended := make(chan error, 1)
				ctx, cancel := context.WithCancel(t.Context())
				go func() { ended <- run(ctx) }()
				err := receive(t, "end of the "+who, ended)
				cancel()
				if err == nil || !strings.Contains(err.Error(), c.says) {
					t.Errorf("the %s says %v, want %q", who, err, c.says)
				}
			}
		})
	}
}

// A pooler refuses whatever a session begins with that it does not know. We begin with
// nothing else, so what it says is its own trouble, and that passes.
func TestASessionBeginsWithWhatAPoolerTakes(t *testing.T) {
	t.Parallel()
	s := DefaultSettings()
	s.URL = fakePooler(t, pgproto3.ErrorResponse{
		Severity: "FATAL", Code: "08P01", Message: "server login has been failing"})
	err := Migrate(t.Context(), newPool(t, s))
	if err == nil || !strings.Contains(err.Error(), "server login") || badSetup(err) {
		t.Errorf("the pooler says %v", err)
	}
}
