package services

import (
	"context"
	"os"
	"os/exec"
	"strings"
)

// compiler is a C compiler with the C library's headers. Go's race detector needs cgo, which needs
// one (go.dev/doc/articles/race_detector, Requirements).
var compiler = tool{
	name: "C compiler", why: "The race detector needs a", find: findCompiler,
	packages: map[string]string{
		"apt-get": "g++", "brew": "gcc", "dnf": "gcc-c++", "pacman": "gcc", "zypper": "gcc-c++",
	},
}

// Compiler makes sure of a C compiler, installing one where that is allowed. The error says what
// to do where there is none.
func (c *Chain) Compiler(ctx context.Context) error {
	_, err := c.provideTool(ctx, compiler)
	return err
}

// InspectCompiler returns the C compiler that cgo would use, or an empty name and the command
// that installs one.
func InspectCompiler() (path, mend string) {
	if path = findCompiler(); path != "" {
		return path, ""
	}
	return "", compiler.mend("install gcc or clang")
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
	if len(words) == 0 {
		return ""
	}
	path, err := exec.LookPath(words[0])
	if err != nil {
		return ""
	}
	return path
}
