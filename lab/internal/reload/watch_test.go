package reload

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// limit is how long a test waits for what must come.
const limit = 20 * time.Second

func TestWatch(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("consumer/main.go")
	ctx, cancel := context.WithCancel(t.Context())
	changes, err := Watch(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	// until waits for a change of the path. Before it, others may be told.
	until := func(path string) []string {
		t.Helper()
		var all []string
		timer := time.NewTimer(limit)
		defer timer.Stop()
		for !slices.Contains(all, path) {
			select {
			case changed := <-changes:
				all = append(all, changed...)
			case <-timer.C:
				t.Fatalf("nobody has noticed %s, only %q", path, all)
			}
		}
		return all
	}
	until(write("consumer/main.go"))

	// What no program is made of is not told; neither is a hidden folder watched.
	for _, name := range []string{
		"README.md", "consumer/.main.go.swp", "consumer/main.go~", "picture.svg", "a_test.go",
	} {
		write(name)
	}
	last := write("lab.yaml")
	if all := until(last); !slices.Equal(all, []string{last}) {
		t.Errorf("told of %q, want only %s", all, last)
	}

	// A folder that is new is watched from then on. Its first files may be there before anybody
	// looks, so they are written until one is told, with pauses in which it is calm.
	fresh := filepath.Join(dir, "new", "main.go")
	deadline := time.Now().Add(limit)
	for told := false; !told; {
		if time.Now().After(deadline) {
			t.Fatal("nobody has noticed the new folder")
		}
		write("new/main.go")
		select {
		case changed := <-changes:
			told = slices.Contains(changed, fresh)
		case <-time.After(4 * calm):
		}
	}

	// A file that an editor moves into place is noticed by its new name.
	from := write("main.go.tmp")
	to := filepath.Join(dir, "main.go")
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
	until(to)

	cancel()
	for range changes { // it ends
	}
}

func TestWatchOfNothing(t *testing.T) {
	t.Parallel()
	if _, err := Watch(t.Context(), filepath.Join(t.TempDir(), "nowhere")); err == nil {
		t.Error("a folder that there is not is watched")
	}
}
