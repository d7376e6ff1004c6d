package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"course.example/lab/internal/manifest"
	"course.example/lab/services"
)

// module is a module of the workspace.
type module struct {
	dir  string
	name string         // its folder as in go.work, without ./
	step *manifest.Step // nil for shop and lab
	bad  error          // its lab.yaml or its go.mod cannot be read
}

// findModules asks go.work, so that a new step is tested without an edit here.
func findModules(ctx context.Context, root string) ([]module, error) {
	list := exec.CommandContext(ctx, "go", "work", "edit", "-json", "go.work")
	list.Dir = root
	list.Env = append(os.Environ(), "GOWORK=") // its own tests run with GOWORK=off too
	raw, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("list the modules of go.work: %w", err)
	}
	var work struct{ Use []struct{ DiskPath string } }
	if err := json.Unmarshal(raw, &work); err != nil {
		return nil, fmt.Errorf("read go work edit -json: %w", err)
	}
	var all []module
	for _, use := range work.Use {
		m := module{
			dir: filepath.Join(root, use.DiskPath), name: path.Clean(filepath.ToSlash(use.DiskPath)),
		}
		m.read(ctx)
		all = append(all, m)
	}
	return all, nil
}

// choose returns the modules that a reader means, or all when nothing was named.
func choose(all []module, only []string) ([]module, error) {
	if len(only) == 0 {
		return all, nil
	}
	for _, want := range only {
		if !slices.ContainsFunc(all, func(m module) bool { return m.is(want) }) {
			return nil, fmt.Errorf("there is no module %q: go.work has %s",
				want, strings.Join(names(all), ", "))
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(m module) bool {
		return !slices.ContainsFunc(only, m.is)
	}), nil
}

// read reads what the module says of itself.
func (m *module) read(ctx context.Context) {
	edit := exec.CommandContext(ctx, "go", "mod", "edit", "-json")
	edit.Dir = m.dir
	if out, err := edit.CombinedOutput(); err != nil {
		m.bad = fmt.Errorf("its go.mod cannot be read: %s", bytes.TrimSpace(out))
		return
	}
	if _, err := os.Stat(filepath.Join(m.dir, manifest.FileName)); err == nil {
		m.step, m.bad = manifest.Read(m.dir)
	}
}

// readable returns the go.work file of a workspace of those modules that can be read, or "" when
// all of them can: Go refuses to work in one with a go.mod that it cannot read.
func readable(all []module, dir string) (workspace string, err error) {
	text, bad := "go 1.26.0\n", false
	for _, m := range all {
		bad = bad || m.bad != nil
		if m.bad == nil {
			text += fmt.Sprintf("use %q\n", m.dir)
		}
	}
	if !bad {
		return "", nil
	}
	workspace = filepath.Join(dir, "go.work")
	if err := os.WriteFile(workspace, []byte(text), 0o644); err != nil {
		return "", fmt.Errorf("make a workspace of what can be read: %w", err)
	}
	return workspace, nil
}

// is says whether a reader means this module: by its folder, or by the number or the name of the
// step that it is or lies in.
func (m module) is(want string) bool {
	want = twoDigits(want)
	step, _, _ := strings.Cut(m.name, "/")
	number, _, _ := strings.Cut(step, "-")
	return want == m.name || want == step && step != "lab" || want == number && number != step
}

func names(modules []module) []string {
	var all []string
	for _, m := range modules {
		all = append(all, m.name)
	}
	return all
}

// sharedNeeds is what the modules need together. Of a kind that one step needs once and another
// several times there are several: a test that wants one takes the first. A durable server is one
// for those who do not ask for that, too.
func sharedNeeds(modules []module) ([]string, error) {
	most := map[services.Kind]services.Need{}
	for _, m := range modules {
		if m.step == nil {
			continue
		}
		for _, text := range m.step.Needs {
			need, err := services.ParseNeed(text)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", m.name, err)
			}
			so := most[need.Kind]
			need.Count, need.Durable = max(need.Count, so.Count), need.Durable || so.Durable
			most[need.Kind] = need
		}
	}
	var all []string
	for _, need := range most {
		all = append(all, need.String())
	}
	slices.Sort(all)
	return all, nil
}

// twoDigits is the step's number as its folder has it: 7 is 07.
func twoDigits(want string) string {
	if len(want) == 1 && want[0] >= '0' && want[0] <= '9' {
		return "0" + want
	}
	return want
}
