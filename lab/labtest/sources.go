package labtest

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Sources lets Go's test cache know of the files that the programs of a step are made of. go test
// repeats an old result as long as the test's own code and the files that it has looked at are the
// same; of a program that the test builds in another process it knows nothing. [Experiments] and
// [Transcript] call it; a test that builds a program itself must, too. The folder is that of the
// package that is tested. (What lies outside of its module the cache does not look at, whatever
// one does: `lab test` never asks it.)
func Sources(t testing.TB) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if name := entry.Name(); path != "." && strings.HasPrefix(name, ".") {
				return filepath.SkipDir
			}
			return nil
		}
		_, err = os.Stat(path)
		return err
	})
	if err != nil {
		t.Fatalf("look at the sources: %v", err)
	}
}
