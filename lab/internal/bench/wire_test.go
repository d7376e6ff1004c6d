package bench

import (
	"context"
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"

	"course.example/lab/internal/home"
)

// TestOneServerOfSeveralIsCutOff cuts the first of two servers: what is sent to it
// gets no answer any more, the second one answers as before.
func TestOneServerOfSeveralIsCutOff(t *testing.T) {
	t.Setenv("LAB_DIR", t.TempDir())
	run, err := home.Open("test of the wire")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeOrFail(t, run.Close) })
	root, err := home.Root()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	err = goBuild(t.Context(), run.Children, filepath.Join(root, "lab"), wireProgram(bin), toxiproxy)
	if err != nil {
		t.Fatal(err)
	}
	w, err := startWire(t.Context(), run, bin)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeOrFail(t, w.close) })

	one, two := echo(t), echo(t)
	vars := map[string]string{"URLS": "tcp://" + one + ",tcp://" + two}
	if err := w.reroute("shop", vars); err != nil {
		t.Fatal(err)
	}
	routed := func(host string) string { return w.routes["shop > "+host].Listen }
	if err := w.cut(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	if answers(t, routed(one)) || !answers(t, routed(two)) || !w.impaired(one) || w.impaired(two) {
		t.Error("cut off is not the first server alone")
	}
	if err := w.heal(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	if !answers(t, routed(one)) || w.impaired(one) {
		t.Error("the first server is still cut off after it was healed")
	}
}

func closeOrFail(t *testing.T, closing func() error) {
	t.Helper()
	if err := closing(); err != nil {
		t.Error(err)
	}
}

// echo is a server that sends back what it is sent.
func echo(t *testing.T) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeOrFail(t, listener.Close) })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // closed at the end of the test
			}
			go func() {
				_, _ = io.Copy(conn, conn) // until the other side has gone
				_ = conn.Close()
			}()
		}
	}()
	return listener.Addr().String()
}

func answers(t *testing.T, address string) bool {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer closeOrFail(t, conn.Close)
	if err := conn.SetDeadline(time.Now().Add(2 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte("?")); err != nil {
		return false
	}
	_, err = io.ReadFull(conn, make([]byte, 1))
	return err == nil
}
