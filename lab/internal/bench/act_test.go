package bench

import (
	"maps"
	"slices"
	"testing"

	"course.example/lab/internal/manifest"
)

// A manifest is checked against the verbs before the run, so the two lists must
// be the same.
func TestEveryVerbOfAManifestCanBeDone(t *testing.T) {
	t.Parallel()
	can := slices.Sorted(maps.Keys(verbs()))
	if may := manifest.VerbNames(); !slices.Equal(can, may) {
		t.Errorf("the bench can %v, a manifest may say %v", can, may)
	}
}
