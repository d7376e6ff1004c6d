package shop

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// The test binary plays a program of the course when it is told to: signals and
// exit codes can only be tested on a process.
func TestMain(m *testing.M) {
	if role := os.Getenv("SHOP_TEST_ROLE"); role != "" {
		Main(roles[role])
	}
	slog.SetDefault(slog.New(slog.NewTextHandler(io.Discard, nil)))
	os.Exit(m.Run())
}

var roles = map[string]func(context.Context) error{
	"succeeds": func(context.Context) error { return nil },
	"fails":    func(context.Context) error { return errors.New("no luck") },
	"help":     func(context.Context) error { return NewFlags("program").Parse([]string{"-h"}) },
	"misused":  func(context.Context) error { return NewFlags("program").Parse([]string{"-x"}) },
	"drains": func(ctx context.Context) error {
		fmt.Println("running")
		<-ctx.Done()
		fmt.Println("drained")
		return nil
	},
	"is cancelled": func(ctx context.Context) error {
		fmt.Println("running")
		<-ctx.Done()
		return fmt.Errorf("work: %w", ctx.Err())
	},
	"hangs": func(context.Context) error {
		fmt.Println("running")
		select {}
	},
}

type program struct {
	t   *testing.T
	cmd *exec.Cmd
	out io.Reader
	all bytes.Buffer
}

func run(t *testing.T, role string, env ...string) *program {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	p := &program{t: t, cmd: exec.CommandContext(ctx, os.Args[0])}
	p.cmd.Env = append(append(os.Environ(), "SHOP_TEST_ROLE="+role), env...)
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.out = io.TeeReader(out, &p.all)
	p.cmd.Stderr = p.cmd.Stdout // where slog writes before it is set up
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

// await reads until the program has printed text.
func (p *program) await(text string) {
	p.t.Helper()
	buf := make([]byte, 1024)
	for !strings.Contains(p.all.String(), text) {
		if _, err := p.out.Read(buf); err != nil {
			p.t.Fatalf("waiting for %q: %v; it printed %q", text, err, p.all.String())
		}
	}
}

func (p *program) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

func (p *program) exit() (int, string) {
	p.t.Helper()
	if _, err := io.Copy(io.Discard, p.out); err != nil {
		p.t.Fatal(err)
	}
	err := p.cmd.Wait()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		p.t.Fatal(err)
	}
	return p.cmd.ProcessState.ExitCode(), p.all.String()
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	cases := []struct {
		role string
		code int
		want string
		env  []string
	}{
		{"succeeds", 0, "", nil},
		{"help", 0, "Flags of program", nil},
		{"fails", 1, "no luck", nil},
		{"misused", 2, "-x; program -h lists the flags", nil},
		{"succeeds", 2, "want json or text", []string{"LOG_FORMAT=xml"}},
		{"succeeds", 2, "want debug, info, warn or error", []string{"LOG_LEVEL=loud"}},
		{"fails", 1, `"msg":"stopped by an error"`, []string{"LOG_FORMAT=json"}},
	}
	for _, c := range cases {
		t.Run(c.role+" "+strings.Join(c.env, " "), func(t *testing.T) {
			t.Parallel()
			p := run(t, c.role, c.env...)
			code, out := p.exit()
			if code != c.code || !strings.Contains(out, c.want) {
				t.Errorf("exit code %d, want %d; it printed %q", code, c.code, out)
			}
		})
	}
}

func TestSignals(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no signals to send to another process")
	}
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		for _, role := range []string{"drains", "is cancelled"} {
			t.Run(role+" on "+s.String(), func(t *testing.T) {
				t.Parallel()
				p := run(t, role)
				p.await("running")
				p.signal(s)
				if code, out := p.exit(); code != 0 {
					t.Errorf("exit code %d; it printed %q", code, out)
				}
			})
		}
		t.Run("a second "+s.String(), func(t *testing.T) {
			t.Parallel()
			p := run(t, "hangs")
			p.await("running")
			p.signal(s)
			p.await("draining")
			p.signal(s)
			if code, out := p.exit(); code != 128+int(s) {
				t.Errorf("exit code %d; it printed %q", code, out)
			}
		})
	}
}

func TestFlags(t *testing.T) {
	// Not parallel: it sets the environment.
	cases := []struct {
		name, env string
		args      []string
		want      time.Duration
		wrong     string
	}{
		{"the default", "", nil, 20 * time.Millisecond, ""},
		{"the variable", "3s", nil, 3 * time.Second, ""},
		{"the flag wins", "3s", []string{"-work", "1s"}, time.Second, ""},
		{"the flag wins over nonsense", "often", []string{"-work", "1s"}, time.Second, ""},
		{"a bad variable", "often", nil, 0, `SHOP_TEST_WORK="often"`},
		{"a bad flag", "", []string{"-work", "often"}, 0, `invalid value "often" for flag -work`},
		{"an unknown flag", "", []string{"-wrok", "1s"}, 0, "not defined: -wrok"},
		{"an argument", "", []string{"1s"}, 0, `unexpected argument "1s"`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("SHOP_TEST_WORK", c.env)
			f := NewFlags("program")
			work := f.Duration("work", 20*time.Millisecond, "time for one order")
			f.Env("work", "SHOP_TEST_WORK")
			err := f.Parse(c.args)
			if c.wrong == "" {
				if err != nil || *work != c.want {
					t.Errorf("got %v, %v", *work, err)
				}
				return
			}
			usage := new(UsageError)
			if !errors.As(err, &usage) || !strings.Contains(err.Error(), c.wrong) {
				t.Errorf("want a usage error with %q, got %v", c.wrong, err)
			}
		})
	}
}

func TestHelpNamesTheVariable(t *testing.T) {
	t.Parallel()
	f := NewFlags("program")
	f.String("addr", ":1", "where to serve")
	f.Env("addr", "ADDR")
	var out bytes.Buffer
	f.SetOutput(&out)
	f.PrintDefaults()
	if !strings.Contains(out.String(), "where to serve [$ADDR]") {
		t.Errorf("got %q", out.String())
	}
	if err := exitCode(flag.ErrHelp, false); err != 0 {
		t.Errorf("help exits with %d", err)
	}
}

func TestCloseDoesNotWaitForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		never := make(chan struct{})
		began := time.Now()
		Close("a server", func() {})
		if took := time.Since(began); took != 0 {
			t.Errorf("it waited %s for nothing", took)
		}
		Close("a server that is gone", func() { <-never })
		if took := time.Since(began); took != CloseTimeout {
			t.Errorf("it waited %s", took)
		}
		close(never)
	})
}
