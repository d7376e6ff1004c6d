package mediator_test

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Who may know whom is the point of this step, so it is tested: the producer and
// each consumer know the mediator and the messages, and none of the others.
func TestNobodyKnowsTheOthers(t *testing.T) {
	t.Parallel()
	const step = "course.example/03-mediator"
	for dir, may := range map[string][]string{
		"producer":           {step, step + "/messages"},
		"consumer/email":     {step + "/messages"},
		"consumer/inventory": {step + "/messages"},
		"messages":           {},
		".":                  {},
	} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", dir, len(files), err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
			if err != nil {
				t.Fatal(err)
			}
			for _, spec := range f.Imports {
				path := strings.Trim(spec.Path.Value, `"`)
				if strings.HasPrefix(path, step) && !slices.Contains(may, path) {
					t.Errorf("%s imports %s", file, path)
				}
			}
		}
	}
}
