package mutant

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const code = "package p\n\nfunc F() {\n\tmu.Lock()\n\tdefer mu.Unlock()\n\tn++\n}\n" +
	"\nfunc G() {\n\tmu.Lock()\n\tn--\n}\n"

// write makes a module's folder with a file and a list.
func write(t *testing.T, list string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"p/p.go": code, FileName: list} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestRead(t *testing.T) {
	t.Parallel()
	dir := write(t, `# a comment
- name: no-lock
  file: p/p.go
  find: |                # indented with spaces, and in the file with tabs
    mu.Lock()
    defer mu.Unlock()
  replace: ""
  tests: TestF
- name: adds-two
  file: p/p.go
  find: n++
  replace: |
    n++
    n++
  tests: TestF/twice
  package: .
  survives: nobody reads it
- name: tabs-as-in-the-file
  file: p/p.go
  find: |
    	defer mu.Unlock()
    	n++
  replace: |
    	n++
    	defer mu.Unlock()
  tests: TestF
- {name: elsewhere, file: p/p.go, find: n--, replace: "", tests: TestG, module: 07-x}
`)
	list, problems := Read(dir, "07-x")
	if len(problems) > 0 || len(list) != 4 {
		t.Fatalf("got %+v, %v", list, problems)
	}
	for i, want := range []struct {
		line   int
		pkg    string
		source string
	}{
		{2, "p", strings.Replace(code, "mu.Lock()\n\tdefer mu.Unlock()\n", "", 1)},
		{9, ".", strings.Replace(code, "n++", "n++\nn++", 1)},
		{18, "p", strings.Replace(code, "\tdefer mu.Unlock()\n\tn++\n",
			"\tn++\n\tdefer mu.Unlock()\n", 1)},
		{27, ".", strings.Replace(code, "n--", "", 1)},
	} {
		m := list[i]
		if m.Line != want.line || m.Package != want.pkg || m.Source() != want.source {
			t.Errorf("%s: line %d, package %s\n%s", m.Name, m.Line, m.Package, m.Source())
		}
	}
	if list, problems := Read(t.TempDir(), "p"); len(list)+len(problems) > 0 {
		t.Errorf("a module without a list: %v, %v", list, problems)
	}
	if list, problems := Read(write(t, "# none yet\n"), "p"); len(list)+len(problems) > 0 {
		t.Errorf("a list without entries: %v, %v", list, problems)
	}
}

// Each slip is one line that says where it is, and the other entries are read all the same.
func TestSlips(t *testing.T) {
	t.Parallel()
	const entry = `- name: no-lock
  file: p/p.go
  find: n++
  replace: ""
  tests: TestF
`
	const other = `- {name: other, file: p/p.go, find: n--, replace: "", tests: TestG}
`
	cases := []struct{ name, old, new, want string }{
		{"unknown key", "tests:", "test:", `07-x/mutants.yaml:5: unknown field "test"`},
		{"wrong type", "find: n++", "find: [n++]", "07-x/mutants.yaml:3: "},
		{"no name", "name: no-lock", `name: ""`, "07-x/mutants.yaml:1: : name: is missing"},
		{"no tests", "  tests: TestF\n", "", "no-lock: tests: is missing"},
		{"no file", "p/p.go", "p/q.go", "no-lock: file: there is no p/q.go"},
		{"out of the module", "p/p.go", "../p.go", "../p.go is not in this module"},
		{"not there", "n++", "n += 2", "find: the text is in no line of p/p.go"},
		{"twice", "n++", "mu.Lock()", "find: the text is in 2 places of p/p.go"},
		{"the same", `replace: ""`, "replace: n++", "the replacement changes nothing"},
		{"no pattern", "TestF", `"Test("`, `"Test(" is no pattern`},
		{"the name is taken", "", other, `07-x/mutants.yaml:7: the name "other" is taken`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			text := strings.Replace(entry, c.old, c.new, 1) + other
			list, problems := Read(write(t, text), "07-x")
			if len(problems) != 1 || len(list) == 0 || list[0].Name == "" {
				t.Fatalf("got %v and the problems %v", list, problems)
			}
			got := problems[0].Error()
			if !strings.HasPrefix(got, "07-x/mutants.yaml:") || !strings.Contains(got, c.want) ||
				strings.Contains(got, "\n") {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	for _, text := range []string{"name: x", "- name: a: b", "- [", "- just a text"} {
		list, problems := Read(write(t, text), "07-x")
		if len(list) > 0 || len(problems) != 1 ||
			!strings.HasPrefix(problems[0].Error(), "07-x/mutants.yaml:1: ") {
			t.Errorf("%q: %v, %v", text, list, problems)
		}
	}
}
