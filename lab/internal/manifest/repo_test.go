package manifest

import (
	"path/filepath"
	"testing"
)

// repository are the folders with a manifest, of the steps, their parts and the tests.
func repository(t *testing.T) []string {
	t.Helper()
	var dirs []string
	for _, pattern := range []string{
		"../../../*", "../../../*/*", "../bench/testdata/*",
	} {
		found, err := filepath.Glob(filepath.Join(pattern, FileName))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range found {
			dir, err := filepath.Abs(filepath.Dir(path))
			if err != nil {
				t.Fatal(err)
			}
			dirs = append(dirs, dir)
		}
	}
	if len(dirs) < 21 {
		t.Fatalf("only %d manifests were found: %q", len(dirs), dirs)
	}
	return dirs
}

func TestEveryManifestOfTheRepository(t *testing.T) {
	t.Parallel()
	for _, dir := range repository(t) {
		if _, err := Read(dir); err != nil {
			t.Error(err)
		}
	}
}
