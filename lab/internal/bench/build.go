package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"course.example/lab/internal/child"
	"course.example/lab/internal/home"
	"course.example/lab/internal/manifest"
)

// toxiproxy is the proxy that can cut and slow connections. It is built only
// for runs that do so, which keeps it out of the lab's own compile time.
const toxiproxy = "github.com/Shopify/toxiproxy/v2/cmd/server"

// Build compiles the programs of the step's variants into dir/bin and returns that folder. The
// compiler is recorded, so that a lab that is killed leaves no build behind; nil records it nowhere.
func Build(
	ctx context.Context, step *manifest.Step, variants []string, dir string, wire bool,
	record *home.Children,
) (string, error) {
	bin := filepath.Join(dir, "bin")
	// Go names a program after the last part of its package. Packages of one folder have names
	// of their own, so each folder gets one of its own in bin.
	folders := map[string][]string{}
	for _, pkg := range step.Packages(variants...) {
		folder := filepath.Dir(program(bin, step.Dir, pkg))
		if !slices.Contains(folders[folder], pkg) {
			folders[folder] = append(folders[folder], pkg)
		}
	}
	for folder, packages := range folders {
		err := goBuild(ctx, record, step.Dir, folder+string(os.PathSeparator), packages...)
		if err != nil {
			return "", fmt.Errorf("build %s: %w", step.Name, err)
		}
	}
	if wire {
		lab := filepath.Join(step.Root(), "lab")
		if err := goBuild(ctx, record, lab, wireProgram(bin), toxiproxy); err != nil {
			return "", fmt.Errorf("build %s: %w", step.Name, err)
		}
	}
	return bin, nil
}

func goBuild(
	ctx context.Context, record *home.Children, dir, out string, packages ...string,
) error {
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return err
	}
	// Git may refuse to tell the commit of a checkout that belongs to another user, as in a
	// container, and Go would refuse to build.
	_, err := child.Run(ctx, child.Spec{
		Name: "go build", Path: "go", Dir: dir, Record: record,
		Args: append([]string{"build", "-buildvcs=false", "-ldflags=-w", "-o", out}, packages...),
	})
	return err
}

// program is where [Build] puts the program of a package. The folder of each is one name behind a
// +, so that the program of ./shop and the folder of ./shop/old do not want the same place.
func program(bin, dir, pkg string) string {
	path := filepath.Join(dir, pkg)
	within, err := filepath.Rel(dir, filepath.Dir(path))
	if err != nil {
		within = "" // no package of a step is on another drive
	}
	within = strings.ReplaceAll(filepath.ToSlash(within), "/", "+")
	return filepath.Join(bin, "+"+within, filepath.Base(path)+exe())
}

// wireProgram is where [Build] puts the proxy. Go ignores folders that begin with a dot, so no
// package of a step has the same place.
func wireProgram(bin string) string { return filepath.Join(bin, ".wire", "toxiproxy"+exe()) }

func exe() string {
	if runtime.GOOS == "windows" {
		return ".exe"
	}
	return ""
}
