package services

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Tool is a program of this machine that tests use, as opposed to a server they talk to: it is
// found or installed, and needs no place to be kept apart in.
type Tool struct {
	Title    string            // "C compiler"
	For      string            // what there is not without it
	why      string            // "The race detector needs a"
	packages map[string]string // by package manager
	find     func() string     // the path, empty when there is none
}

// Tools are all of them.
var Tools = []Tool{Compiler, Browser}

// Compiler is a C compiler with the C library's headers. Go's race detector needs cgo, which needs
// one (go.dev/doc/articles/race_detector, Requirements).
var Compiler = Tool{
	Title: "C compiler", For: "race detector", why: "The race detector needs a", find: findCompiler,
	packages: map[string]string{
		"apt-get": "g++", "brew": "gcc", "dnf": "gcc-c++", "pacman": "gcc", "zypper": "gcc-c++",
	},
}

// Browser is Chromium or one of its kin, which tests of a page drive without a window by the
// DevTools protocol. CHROME_PATH names another than the one that is found.
var Browser = Tool{
	Title: "Chromium", For: "tests of web pages", why: "A test of a web page needs a",
	find: findBrowser,
	packages: map[string]string{
		"apt-get": "chromium", "brew": "google-chrome", "dnf": "chromium", "pacman": "chromium",
		"zypper": "chromium",
	},
}

// Inspect returns the tool that tests would use, or an empty path and the command that installs
// one.
func (t Tool) Inspect() (path, mend string) {
	if path = t.find(); path != "" {
		return path, ""
	}
	in, err := findInstaller()
	if err != nil {
		return "", "install a " + t.Title
	}
	return "", in.command(t.packages[in.manager])
}

// Tool returns the path of the tool, installing it where that is allowed. The error says what to
// do where there is none.
func (c *Chain) Tool(ctx context.Context, t Tool) (string, error) {
	if path := t.find(); path != "" {
		return path, nil
	}
	in, err := findInstaller()
	if err != nil {
		return "", fmt.Errorf("there is no %s: %w", t.Title, err)
	}
	pkg := t.packages[in.manager]
	missing := fmt.Errorf("there is no %s; %s would install one", t.Title, in.command(pkg))
	if c.policy == installNo || slices.Contains(c.skip, LinkInstall) {
		return "", missing
	}
	if err := in.can(ctx); err != nil {
		return "", fmt.Errorf("%w: %w", missing, err)
	}
	found := func() bool { return t.find() != "" }
	if err := c.install(ctx, in, pkg, t.why+" "+t.Title+" and there is none", found); err != nil {
		return "", fmt.Errorf("%w: %w", missing, err)
	}
	if path := t.find(); path != "" {
		return path, nil
	}
	return "", fmt.Errorf("there is still no %s after %s", t.Title, in.command(pkg))
}

// findCompiler looks for what cgo would use: $CC, or what go env names.
func findCompiler() string {
	if os.Getenv("CGO_ENABLED") == "0" {
		return ""
	}
	name := os.Getenv("CC")
	if name == "" {
		out, err := exec.Command("go", "env", "CC").Output()
		if err != nil {
			return ""
		}
		name = string(out)
	}
	words := strings.Fields(name)
	return onPath(words[:min(1, len(words))]...)
}

func findBrowser() string {
	if named := os.Getenv("CHROME_PATH"); named != "" {
		return onPath(named)
	}
	return onPath("chromium", "chromium-browser", "google-chrome", "google-chrome-stable",
		"microsoft-edge",
		// Where the installers of the systems without a common PATH put it.
		"/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
		"/Applications/Chromium.app/Contents/MacOS/Chromium",
		filepath.Join(os.Getenv("PROGRAMFILES"), `Google\Chrome\Application\chrome.exe`),
		filepath.Join(os.Getenv("PROGRAMFILES(X86)"), `Microsoft\Edge\Application\msedge.exe`))
}

// onPath returns the path of the first program that there is.
func onPath(names ...string) string {
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}
