package port_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"course.example/lab/internal/port"
)

func TestFreeGivesNoPortTwice(t *testing.T) {
	t.Parallel()
	seen := map[int]bool{}
	for range 20 {
		ports, err := port.Free(3)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range ports {
			if seen[p] {
				t.Errorf("port %d was given twice", p)
			}
			seen[p] = true
		}
	}
}

// Another process asks for ports while nothing listens on this one's.
func TestFreeGivesNoPortOfAnotherProcess(t *testing.T) {
	t.Parallel()
	if n, err := strconv.Atoi(os.Getenv("PORT_TEST_WANTS")); err == nil { // this is the other process
		ports, err := port.Free(n)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println(ports)
		return
	}
	ports, err := port.Free(100)
	if err != nil {
		t.Fatal(err)
	}
	other := exec.Command(os.Args[0], "-test.run", "^TestFreeGivesNoPortOfAnotherProcess$")
	other.Env = append(os.Environ(), "PORT_TEST_WANTS=5000")
	out, err := other.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, p := range ports {
		if strings.Contains(string(out), strconv.Itoa(p)) {
			t.Errorf("port %d was given to two processes", p)
		}
	}
}

func TestClaim(t *testing.T) {
	t.Parallel()
	ports, err := port.Free(1)
	if err != nil {
		t.Fatal(err)
	}
	release, ok := port.Claim(ports[0])
	if !ok {
		t.Fatal("a free port could not be claimed")
	}
	if _, again := port.Claim(ports[0]); again {
		t.Error("the same port was claimed twice")
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[0])))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	if _, ok := port.Claim(ports[0]); ok {
		t.Error("a port that is in use was claimed")
	}
}

func TestHolder(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("this system is not asked")
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	number := l.Addr().(*net.TCPAddr).Port
	if holder := port.Holder(number); !strings.HasSuffix(holder, fmt.Sprintf("(pid %d)", os.Getpid())) {
		t.Errorf("port %d is held by %q, and not by this test", number, holder)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if holder := port.Holder(number); holder != "" {
		t.Errorf("nobody listens on %d any more, but %s", number, holder)
	}
}
