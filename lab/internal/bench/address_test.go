package bench

import (
	"slices"
	"testing"

	"course.example/lab/internal/home"
	"course.example/lab/internal/manifest"
)

// What one process is told of the others is where they will serve, those that are
// started later too.
func TestAddressesAreKnownBeforeTheStart(t *testing.T) {
	t.Parallel()
	back := manifest.Process{Name: "back", HTTP: true, Count: 2, UpTo: 3}
	b := &supervisor{cfg: Config{Step: &manifest.Step{Processes: []manifest.Process{back}}}}
	told, err := b.urls("front", "back")
	if err != nil || len(told) != 3 {
		t.Fatalf("got %q, %v", told, err)
	}
	again, err := b.urls("front", "back")
	if err != nil || !slices.Equal(told, again) {
		t.Errorf("first %q, then %q, %v", told, again, err)
	}
	for i := range 4 {
		address, err := b.nextAddr(back)
		if err != nil {
			t.Fatal(err)
		}
		if i < 3 && "http://"+address != told[i] {
			t.Errorf("place %d serves on %s, the others were told %s", i, address, told[i])
		}
		b.procs = append(b.procs, &proc{kind: back, name: b.freeName(back)})
	}
	if _, err := b.urls("front", "nobody"); err == nil {
		t.Error("there is no kind nobody, and it has addresses")
	}
}

// Two runs have two addresses, and the hints of each name its own.
func TestHintsNameTheAddressOfTheirRun(t *testing.T) {
	t.Parallel()
	door := manifest.Process{Name: "shop", HTTP: true, Orders: true, Count: 1}
	step := &manifest.Step{Processes: []manifest.Process{door},
		Hints: []string{"lab do burst 9", `curl {{url "shop"}}/stock`}}
	seen := map[string]bool{}
	for range 2 {
		b := &supervisor{cfg: Config{Step: step}}
		address, err := b.nextAddr(door)
		if err != nil {
			t.Fatal(err)
		}
		hints, err := b.Hints()
		want := []string{"lab do burst 9", "curl http://" + address + "/stock"}
		if err != nil || !slices.Equal(hints, want) {
			t.Errorf("got %q, %v; want %q", hints, err, want)
		}
		seen[address] = true
	}
	if len(seen) != 2 {
		t.Errorf("two runs at %v", seen)
	}
}

// The processes of one experiment share a folder, and the next experiment of the same lab
// has another: a book that stands in it is that of one experiment.
func TestTwoBenchesShareNoFolder(t *testing.T) {
	t.Parallel()
	run, err := home.Open("test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := run.Close(); err != nil {
			t.Error(err)
		}
	})
	seen := map[string]bool{}
	for range 2 {
		b := assemble(t.Context(), Config{Run: run, Step: &manifest.Step{}}, manifest.Variant{})
		for range 2 { // each of its processes asks
			dir, err := b.places("").Dir("books")
			if err != nil {
				t.Fatal(err)
			}
			seen[dir] = true
		}
	}
	if len(seen) != 2 {
		t.Errorf("two benches have %d folders: %v", len(seen), seen)
	}
}
