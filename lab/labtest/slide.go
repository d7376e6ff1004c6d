package labtest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"course.example/lab/internal/manifest"
)

// maxSlide is how many lines a file of the slide's code may have: what a lecturer can type in five
// minutes.
const maxSlide = 60

// Slide checks what the page says of the slide's code, the variant of that name: its files, which
// must be short and stand whole on the page, and the table of what it survives. That the table is
// true is checked by its experiments.
func Slide(t *testing.T, page string) {
	t.Helper()
	step := thisStep(t)
	v, err := step.Variant("slide")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range slideFiles(t, v) {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(source, []byte("\n")); n > maxSlide {
			t.Errorf("%s has %d lines, and the most that can be typed live is %d", file, n, maxSlide)
		}
		if !bytes.Contains(text, body(source)) {
			t.Errorf("%s does not show %s as it is, from its func run or its imports on", page, file)
		}
	}
	if table := slideTable(step, v); !strings.Contains(string(text), table) {
		t.Errorf("%s does not have the table of what the slide's code survives:\n\n%s", page, table)
	}
}

// slideFiles are the files of the slide's programs, in order.
func slideFiles(t *testing.T, v manifest.Variant) []string {
	t.Helper()
	var files []string
	for _, pkg := range v.Programs {
		found, err := filepath.Glob(filepath.Join(pkg, "*.go"))
		if err != nil || len(found) == 0 {
			t.Fatalf("the slide's %s has no Go file (%v)", pkg, err)
		}
		files = append(files, found...)
	}
	slices.Sort(files)
	return files
}

// body is a file without its head: what is the same everywhere is not shown again. It begins with
// func run, or else behind the imports.
func body(source []byte) []byte {
	if i := bytes.Index(source, []byte("\nfunc run(")); i >= 0 {
		return source[i+1:]
	}
	if _, rest, ok := bytes.Cut(source, []byte("\n)\n\n")); ok {
		return rest
	}
	return source
}

// slideTable says of all experiments what the slide's code and the right code come to: in one row
// those in which the same idea makes the difference, and at the end those that both survive. What
// the slide's code cannot be asked is left out, and so is a soak, which nobody runs on it.
func slideTable(step *manifest.Step, v manifest.Variant) string {
	var rows, survives []string
	by := map[string][]string{}  // the experiments of a row
	with, _ := step.With(v.Name) // it is the step's own
	for _, e := range with {
		if e.Soak {
			continue
		}
		name := strings.TrimPrefix(e.Name, v.Name+"-")
		broken, ok := v.Breaks[name]
		if !ok {
			survives = append(survives, name)
			continue
		}
		var seen []string
		for _, c := range broken.Shows {
			seen = append(seen, c.String())
		}
		row := fmt.Sprintf("| %s | survives | %s |", strings.Join(seen, ", "), broken.Idea)
		if by[row] == nil {
			rows = append(rows, row)
		}
		by[row] = append(by[row], name)
	}
	var b strings.Builder
	b.WriteString("| experiment | the slide's code | the right code | what makes the difference |\n")
	b.WriteString("|---|---|---|---|\n")
	for _, row := range rows {
		fmt.Fprintf(&b, "| %s %s\n", strings.Join(by[row], ", "), row)
	}
	if len(survives) > 0 {
		fmt.Fprintf(&b, "| %s | survives | survives | |\n", strings.Join(survives, ", "))
	}
	return b.String()
}
