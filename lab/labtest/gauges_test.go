package labtest

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// A gauge that only a test or a comment names is logged by nobody.
func TestGaugesThatNobodyLogs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"consumer.go":      "package x\n\nvar _ = []any{\"depth\", 1} // and memory\n",
		"consumer_test.go": "package x\n\nvar _ = \"luck\"\n",
		"page.md":          "\"fame\"",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got := missing(t, dir, map[string]string{"depth": "", "memory": "", "luck": "", "fame": ""})
	if want := []string{"fame", "luck", "memory"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
