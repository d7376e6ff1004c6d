package services

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"
)

// echo answers each line with itself, and returns its port.
func echo(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for lines := bufio.NewScanner(conn); lines.Scan(); {
					fmt.Fprintln(conn, lines.Text())
				}
			}()
		}
	}()
	return l.Addr().(*net.TCPAddr).Port
}

// caller is a node's connection to another.
type caller struct {
	conn  net.Conn
	lines *bufio.Reader
}

func call(t *testing.T, address string) caller {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return caller{conn, bufio.NewReader(conn)}
}

// says sends a line and returns the answer, or what came instead of it within a time.
func (c caller) says(line string, limit time.Duration) (string, error) {
	if err := c.conn.SetDeadline(time.Now().Add(limit)); err != nil {
		return "", err
	}
	if _, err := fmt.Fprintln(c.conn, line); err != nil {
		return "", err
	}
	return c.lines.ReadString('\n')
}

// A node that is cut off hears nothing and is told nothing, on old connections and new ones. When it is
// mended these are closed, and others carry.
func TestRelaysAreCutByTheNode(t *testing.T) {
	t.Parallel()
	const long, brief = 30 * time.Second, 50 * time.Millisecond
	ports := [][]int{{0, echo(t)}, {0, echo(t)}, {0, echo(t)}}
	r, err := startRelays(ports, 1)
	must(t, err)
	t.Cleanup(r.close)
	answers := func(c caller) {
		t.Helper()
		if got, err := c.says("hello", long); err != nil || got != "hello\n" {
			t.Errorf("answer %q, %v", got, err)
		}
	}
	silent := func(c caller) {
		t.Helper()
		var timeout net.Error
		if got, err := c.says("lost", brief); !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("answer %q, %v; want silence", got, err)
		}
	}
	to0, to1, to2 := call(t, r.from(2)[0]), call(t, r.from(0)[0]), call(t, r.from(1)[1])
	for _, c := range []caller{to0, to1, to2} {
		answers(c)
	}
	r.cut(0, true)
	r.cut(0, true) // twice is once
	silent(to0)
	silent(to1)
	answers(to2) // the others are on one side
	late := call(t, r.from(1)[0])
	silent(late)
	r.cut(2, true)
	r.cut(0, false)
	silent(to0) // its other end is cut off still
	r.cut(2, false)
	for _, c := range []caller{to0, to1, late} {
		if got, err := c.says("more", long); err == nil {
			t.Errorf("an old connection answers %q", got)
		}
	}
	answers(call(t, r.from(2)[0]))
}
