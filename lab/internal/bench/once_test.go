package bench_test

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"

	"course.example/lab/internal/bench"
	"course.example/lab/internal/home"
	"course.example/lab/internal/manifest"
)

// What a person sees of a program that runs once is what it wrote, no more.
func TestOnce(t *testing.T) {
	t.Parallel()
	dir, err := filepath.Abs("testdata/98-once")
	if err != nil {
		t.Fatal(err)
	}
	step, err := manifest.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	run, err := home.Open("test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := run.Close(); err != nil {
			t.Error(err)
		}
	})
	bin, err := bench.Build(t.Context(), step, []string{manifest.Right}, t.TempDir(), false, run.Children)
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		variant, out, errOut string
		code                 int
	}{
		{"", "variant right\narguments -n 5\nserver toy://here\ncounted 2\n", "", 0},
		{"fails", "variant fails\narguments -n 5\nserver toy://here\ncounted 2\n", "it went wrong\n", 3},
	}
	for _, c := range cases {
		var out, errOut bytes.Buffer
		cfg := bench.Config{Step: step, Run: run, Bin: bin, Variant: c.variant,
			Address: map[string]string{"TOY_URL": "toy://here"}}
		ended, err := bench.Once(t.Context(), cfg, &out, &errOut, 0, "-n", "5")
		if err != nil || ended.Code != c.code || ended.Killed {
			t.Errorf("variant %q: ended %+v, %v, want code %d", c.variant, ended, err, c.code)
		}
		if out.String() != c.out || errOut.String() != c.errOut {
			t.Errorf("variant %q wrote %q and %q", c.variant, &out, &errOut)
		}
	}
	_, err = bench.Once(t.Context(),
		bench.Config{Step: step, Run: run, Bin: bin, Variant: "luck"}, nil, nil, 0)
	if err == nil || !strings.Contains(err.Error(), "there is no variant") {
		t.Errorf("an unknown variant: %v", err)
	}

	// Ctrl-C: the program is asked to end, and its code is its own.
	ctx, cancel := context.WithCancel(t.Context())
	out := &waitFor{text: "counted 2\n", found: cancel}
	ended, err := bench.Once(ctx,
		bench.Config{Step: step, Run: run, Bin: bin, Variant: "hangs"}, out, out, 0)
	if err != nil || ended.Killed {
		t.Errorf("asked to end: %+v, %v", ended, err)
	}
}

// waitFor calls found once the text was written.
type waitFor struct {
	got   bytes.Buffer
	text  string
	found func()
}

func (w *waitFor) Write(p []byte) (int, error) {
	n, err := w.got.Write(p)
	if strings.Contains(w.got.String(), w.text) {
		w.found()
	}
	return n, err
}
