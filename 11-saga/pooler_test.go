package saga

import (
	"context"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// pooler stands in front of a database and refuses at the start what PgBouncer
// refuses: every parameter that it does not keep track of. It returns the database's
// address behind it.
func pooler(t *testing.T, database string) string {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	server := u.Host
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go pool(client, server)
		}
	}()
	u.Host = l.Addr().String()
	return u.String()
}

func pool(client net.Conn, server string) {
	defer func() { _ = client.Close() }()
	backend := pgproto3.NewBackend(client, client)
	startup, err := backend.ReceiveStartupMessage()
	if err != nil {
		return
	}
	start, ok := startup.(*pgproto3.StartupMessage)
	if !ok { // a request to cancel
		return
	}
	known := []string{"user", "database", "client_encoding", "datestyle", "timezone",
		"standard_conforming_strings", "application_name"}
	for name := range start.Parameters {
		if !slices.Contains(known, strings.ToLower(name)) {
			backend.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: "08P01",
				Message: "unsupported startup parameter: " + name})
			_ = backend.Flush()
			return
		}
	}
	upstream, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	defer func() { _ = upstream.Close() }()
	frontend := pgproto3.NewFrontend(upstream, upstream)
	frontend.Send(start)
	if frontend.Flush() != nil {
		return
	}
	go func() {
		_, _ = io.Copy(upstream, client)
		_ = upstream.Close()
	}()
	_, _ = io.Copy(client, upstream)
}

// Behind a pooler everything works, also without statements that are prepared on one
// connection; and a setting that it refuses is said at once, not tried forever.
func TestBehindAPooler(t *testing.T) {
	t.Parallel()
	s := testSettings(t)
	s.DatabaseURL = pooler(t, s.DatabaseURL) + "&default_query_exec_mode=exec"
	w := worldAt(t, s, "right")
	w.start(everybody...)
	w.place(clients...)
	w.place("e@" + ClosedDomain)
	eventually(t, "all have ended or are parked", func() bool {
		a := w.audit()
		return a.Violations() == 0 && a.Accepted == 1 && a.Cancelled == 3 && a.Parked == 1
	})
	for _, p := range []*participant{w.site.participant, newHands(w).services["payment"].participant} {
		if _, err := p.deleteOld(t.Context()); err != nil {
			t.Errorf("%s: %v", p.name, err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	s.DatabaseURL += "&search_path=x"
	if _, err := openDatabase(ctx, s, "website"); err == nil || ctx.Err() != nil ||
		!strings.Contains(err.Error(), "ignore_startup_parameters") {
		t.Errorf("a refused setting: %v", err)
	}
}
