//go:build !windows

package pagetest

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// The pictures of the front page, and of which page they are.
const (
	lightPicture = "hall-light.png"
	darkPicture  = "hall-dark.png"
	sumFile      = "hall.sum"
)

// The pictures on the front page are of the page as it is:
//
//	go test ./lab/pagetest -run TestPictures -update
func TestPictures(t *testing.T) {
	if *update {
		takePictures(t)
	}
	was, err := os.ReadFile(sumFile)
	if err != nil {
		t.Fatal(err)
	}
	if strings.TrimSpace(string(was)) != pageSum(t) {
		t.Error("the page has changed since its pictures were made: " +
			"go test ./lab/pagetest -run TestPictures -update")
	}
	for _, name := range []string{lightPicture, darkPicture} {
		if _, err := os.Stat(name); err != nil {
			t.Error(err)
		}
	}
}

// pageSum is of all files of the page.
func pageSum(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob("../internal/page/static/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("the page has no files: %v", err)
	}
	slices.Sort(files)
	sum := sha256.New()
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		sum.Write(raw)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// takePictures runs step 07 with more orders than its consumers can do, kills the broker, and looks.
func takePictures(t *testing.T) {
	t.Helper()
	ctx := browse(t, startRun(t, "07", "-rate", "12"))
	do(t, ctx, chromedp.EmulateViewport(1280, 720))
	holds(t, ctx, `+document.querySelector("#figure-processed")?.textContent.replace(",", "") >= 60`)
	value[any](t, ctx, `[...document.querySelectorAll("[data-place=rabbitmq] button")]
		.find(b => b.textContent === "kill").click()`)
	holds(t, ctx, `+document.querySelector("#figure-refused").textContent >= 20`)
	for name, scheme := range map[string]string{lightPicture: "light", darkPicture: "dark"} {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		if err != nil {
			t.Fatal(err)
		}
		value[any](t, ctx, `new Promise(r => setTimeout(r, 300))`) // a few frames later
		picture, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
		if err == nil {
			err = os.WriteFile(name, picture, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(sumFile, []byte(pageSum(t)+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

// startRun runs a step until the test ends, and returns the address of its page.
func startRun(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	lab := exec.CommandContext(ctx, "go", append([]string{"run", ".", "run"}, args...)...)
	lab.Dir = ".."
	lab.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := lab.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := lab.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-lab.Process.Pid, syscall.SIGTERM) // go run does not pass it on
		_ = lab.Wait()
	})
	address := regexp.MustCompile(`page +(http://\S+)`)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if m := address.FindStringSubmatch(lines.Text()); m != nil && strings.Contains(m[1], "token") {
			go func() {
				for lines.Scan() { // or the lab would wait for somebody to read
				}
			}()
			return m[1]
		}
	}
	t.Fatal("the run has not said where its page is")
	return ""
}
