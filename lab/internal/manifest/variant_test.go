package manifest

import (
	"path/filepath"
	"slices"
	"testing"
)

// slideStep is a step with a variant that is made of other programs.
const slideStep = `
title: A toy
processes:
  - {name: shop, http: true}
  - {name: consumer}
variants:
  - name: wrong
  - name: slide
    programs: {consumer: ./slide/consumer}
    lacks: [TAKE, waits]
    breaks:
      kill: {shows: {lost: "> 0"}, idea: acknowledge later}
gauges: {waits: how many wait}
experiments:
  - {name: calm, load: {count: 5}, promises: {highest waits: 0}}
  - {name: kill, load: {rate: 5, for: 1s}, faults: {at 500ms: kill shop}, promises: {refused: 0}}
  - {name: other-take, env: {TAKE: one}, load: {count: 5}}
  - {name: wrong-calm, variant: wrong, load: {count: 5}, shows: {lost: "> 0"}}
`

func TestVariantOfOtherPrograms(t *testing.T) {
	t.Parallel()
	step, err := Read(write(t, slideStep))
	if err != nil {
		t.Fatal(err)
	}
	all, err := step.With("slide")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range all {
		names = append(names, e.Name)
		if e.Variant != "slide" {
			t.Errorf("%s runs the variant %s", e.Name, e.Variant)
		}
	}
	if want := []string{"slide-calm", "slide-kill"}; !slices.Equal(names, want) {
		t.Fatalf("with the slide: %q, want %q", names, want)
	}
	if calm := all[0]; len(calm.Shows) > 0 || len(calm.Promises) == 0 || calm.Speaks("highest waits") {
		t.Errorf("calm must promise what the right variant does, but for what it does not log: %+v", calm)
	}
	if kill := all[1]; len(kill.Promises) > 0 || len(kill.Shows) != 1 ||
		kill.Shows[0].String() != "lost > 0" || !kill.Shows[0].Holds(3, nil) {
		t.Errorf("kill must show what the slide breaks, and promise nothing: %+v", kill)
	}
	if broken := step.Broken(); len(broken) != 1 || broken[0].Name != "slide-kill" {
		t.Errorf("broken: %+v", broken)
	}
	if got := step.Packages(VariantsOf(all)...); !slices.Equal(got, []string{"./shop", "./slide/consumer"}) {
		t.Errorf("packages of the slide: %q", got)
	}
	if got := step.Packages(Right); !slices.Equal(got, []string{"./shop", "./consumer"}) {
		t.Errorf("packages of the right variant: %q", got)
	}
}

func TestWithTheRightVariant(t *testing.T) {
	t.Parallel()
	step, err := Read(write(t, slideStep))
	if err != nil {
		t.Fatal(err)
	}
	all, err := step.With(Right)
	if err != nil || len(all) != 3 || all[0].Name != "calm" || !all[0].Speaks("highest waits") {
		t.Errorf("with the right variant: %v, %+v", err, all)
	}
	if _, err := step.With("slid"); err == nil || filepath.Base(step.Dir) == "" {
		t.Error("a variant that there is not was taken")
	}
}
