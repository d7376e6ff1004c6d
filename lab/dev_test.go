package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"course.example/lab/internal/home"
	"course.example/lab/internal/manifest"
)

// devShop takes orders, and leaves a note of which version of it has begun.
const devShop = `package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
)

const version = "one"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	note, err := os.OpenFile(os.Getenv("NOTES"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		panic(err)
	}
	fmt.Fprintf(note, "%s %s %s\n", os.Getenv("PROCESS"), version, os.Getenv("GREETING"))
	note.Close()
	go http.ListenAndServe(os.Getenv("ADDR"), http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	<-ctx.Done()
}
`

const devStep = `title: A toy
processes:
  - {name: shop, http: true, env: {GREETING: hello}}
  - {name: other, http: true, package: ./other}
`

// A saved file is built and started while the rest of the run goes on. What does not compile is
// said, and what ran goes on; so does a manifest with a slip. A process of which nothing has
// changed is left alone.
func TestDev(t *testing.T) {
	root := t.TempDir()
	notes := filepath.Join(root, "notes")
	t.Setenv("NOTES", notes)
	t.Setenv("GOWORK", "off")
	t.Setenv(home.EnvDir, filepath.Join(root, ".lab"))
	save := func(name, text string) {
		t.Helper()
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	save("go.work", "go 1.26\n")
	save("shop/doc.go", "package shop\n")
	save("98-toy/go.mod", "module course.example/98-toy\n\ngo 1.26\n")
	save("98-toy/lab.yaml", devStep)
	save("98-toy/shop/main.go", devShop)
	save("98-toy/other/main.go", devShop)
	step, err := manifest.Read(filepath.Join(root, "98-toy"))
	if err != nil {
		t.Fatal(err)
	}
	step.Run.Rate = 0.01 // the test places no orders
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- watch(ctx, step, watching{variant: manifest.Right, dev: true}) }()

	// until waits for what somebody notes who begins.
	until := func(line string, n int) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); ; {
			raw, _ := os.ReadFile(notes)
			if strings.Count(string(raw), line+"\n") >= n {
				return
			}
			select {
			case err := <-ended:
				t.Fatalf("it ended before %q: %v", line, err)
			case <-time.After(10 * time.Millisecond):
			}
			if time.Now().After(deadline) {
				t.Fatalf("nobody noted %q %d times, only %q", line, n, raw)
			}
		}
	}
	until("shop one hello", 1)
	until("other one ", 1)

	began := time.Now()
	save("98-toy/shop/main.go", strings.Replace(devShop, `"one"`, `"two"`, 1))
	until("shop two hello", 1)
	t.Logf("%v from the save to the new code", time.Since(began).Round(time.Millisecond))

	save("98-toy/shop/main.go", strings.Replace(devShop, `"one"`, `one`, 1))
	save("98-toy/shop/main.go", strings.Replace(devShop, `"one"`, `"three"`, 1))
	until("shop three hello", 1)

	save("98-toy/lab.yaml", strings.Replace(devStep, "title", "titel", 1))
	save("98-toy/lab.yaml", strings.Replace(devStep, "hello", "bye", 1))
	until("shop three bye", 1)

	cancel()
	if err := <-ended; err != nil {
		t.Errorf("at the end: %v", err)
	}
	raw, err := os.ReadFile(notes)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(raw), "other "); n != 1 {
		t.Errorf("the other process was started %d times, and nothing of it has changed", n)
	}
}

func TestCompilerErrorsAreFromTheRoot(t *testing.T) {
	t.Parallel()
	step := &manifest.Step{Dir: "/course/07-toy", Name: "07-toy"}
	for text, want := range map[string]string{
		"go build: exit status 1: # course.example/07-toy\n./consumer/main.go:3:1: undefined: x\n" +
			"../shop/work.go:9:2: missing return": "07-toy/consumer/main.go:3:1: undefined: x\n" +
			"shop/work.go:9:2: missing return",
		"go build: no network": "go build: no network",
	} {
		if got := fromRoot(step, errText(text)).Error(); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

type errText string

func (e errText) Error() string { return string(e) }
