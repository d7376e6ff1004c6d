//go:build unix

package services

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"course.example/lab/internal/home"
)

func init() {
	helpers["postgres"] = helpPostgres
	helpers["up"] = helpUp
}

// query returns the first column of the first row, as text.
func query(t *testing.T, url, sql string) string {
	t.Helper()
	var value string
	must(t, withPostgres(t.Context(), url, func(conn *pgconn.PgConn) error {
		result := conn.ExecParams(t.Context(), sql, nil, nil, nil, nil).Read()
		if result.Err == nil && len(result.Rows) > 0 {
			value = string(result.Rows[0][0])
		}
		return result.Err
	}))
	return value
}

func TestPostgresKeepsWhatWasCommittedThroughKillAndStop(t *testing.T) {
	c, _ := bench(t, LinkPort, LinkDocker)
	s := provide(t, c, Need{Kind: Postgres})[0]
	before := s.URL
	if !strings.Contains(s.Version, ".") || s.Provider != "native, private" {
		t.Errorf("got %+v", s)
	}
	query(t, s.URL, "CREATE TABLE orders (id int)")
	for i, end := range []func() error{
		func() error { return s.Kill(t.Context()) },
		func() error { return s.Stop(t.Context()) },
	} {
		query(t, s.URL, fmt.Sprintf("INSERT INTO orders VALUES (%d)", i))
		must(t, end())
		if s.Ready(t.Context()) == nil {
			t.Error("it answers after its end")
		}
		must(t, s.Start(t.Context()))
		if got := query(t, s.URL, "SELECT count(*) FROM orders"); got != fmt.Sprint(i+1) {
			t.Errorf("%s orders after the restart, want %d", got, i+1)
		}
	}
	if s.URL != before {
		t.Errorf("moved from %s to %s", before, s.URL)
	}

	wrong := strings.Replace(s.URL, "shop:shop@", "shop:wrong@", 1)
	_, err := postgresHandshake(t.Context(), address{URL: wrong})
	if err == nil || !strings.Contains(err.Error(), "password authentication failed") {
		t.Errorf("a wrong password: %v", err)
	}

	env, cleanup, err := s.Isolate(t.Context(), t.Name())
	must(t, err)
	query(t, env["DATABASE_URL"], "CREATE TABLE orders (other text)")
	if got := query(t, s.URL, "SELECT count(*) FROM orders"); got != "2" {
		t.Errorf("a table in a database of one's own shows in another: %s", got)
	}
	must(t, cleanup(t.Context()), cleanup(t.Context()))
	if _, err := postgresHandshake(t.Context(), address{URL: env["DATABASE_URL"]}); err == nil {
		t.Error("the database is still there after its cleanup")
	}
}

func TestTwoChainsAtOnceDoNotMeet(t *testing.T) {
	c, _ := bench(t, LinkPort, LinkDocker)
	other, _ := chain(t, Options{Skip: []string{LinkPort, LinkDocker}})
	type result struct {
		s   Servers
		err error
	}
	results := make(chan result, 2)
	for _, each := range []*Chain{c, other} {
		go func() {
			s, err := each.Provide(t.Context(), Need{Kind: Postgres})
			results <- result{s, err}
		}()
	}
	a, b := <-results, <-results
	must(t, a.err, b.err)
	if a.s[0].URL == b.s[0].URL {
		t.Fatalf("both at %s", a.s[0].URL)
	}
	must(t, c.Close(t.Context()))
	alive := 0
	for _, s := range []*Server{a.s[0], b.s[0]} {
		if s.Ready(t.Context()) == nil {
			alive++
		}
	}
	if alive != 1 {
		t.Errorf("%d servers after one of two chains was closed, want the other's one", alive)
	}
}

// helpPostgres plays a lab that will be killed.
func helpPostgres() error {
	run, err := home.Open("run 06")
	if err != nil {
		return err
	}
	c, err := NewChain(run, Options{Skip: []string{LinkPort, LinkDocker}})
	if err != nil {
		return err
	}
	s, err := c.Provide(context.Background(), Need{Kind: Postgres})
	if err != nil {
		return err
	}
	fmt.Println(s[0].URL)
	_, err = fmt.Scanln() // until killed
	return err
}

func TestSweepRemovesTheServersOfAKilledLab(t *testing.T) {
	bench(t)
	lab := startHelper(t, "postgres")
	stdin, err := lab.StdinPipe()
	must(t, err)
	defer stdin.Close()
	stdout, err := lab.StdoutPipe()
	must(t, err)
	must(t, lab.Start())
	url, err := bufio.NewReader(stdout).ReadString('\n')
	must(t, err)
	url = strings.TrimSpace(url)
	if _, err := postgresHandshake(t.Context(), address{URL: url}); err != nil {
		t.Fatal(err)
	}
	var record home.Record
	live, err := home.Live()
	must(t, err)
	for _, r := range live {
		if r.Command == "run 06" {
			record = r
		}
	}
	must(t, lab.Process.Kill())
	_ = lab.Wait()

	out := new(said)
	must(t, Sweep(t.Context(), out.say))
	if _, err := postgresHandshake(t.Context(), address{URL: url}); err == nil {
		t.Error("the killed lab's server still answers")
	}
	if strings.Count(out.text(), "cleaned up after run "+record.ID) != 1 {
		t.Errorf("said %q", out.text())
	}
	dir := filepath.Join(os.Getenv(home.EnvDir), "runs", record.ID)
	for _, gone := range append(record.Temps, dir) {
		if _, err := os.Stat(gone); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is still there: %v", gone, err)
		}
	}
}
