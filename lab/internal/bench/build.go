package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"course.example/lab/internal/manifest"
)

// toxiproxy is the proxy that can cut and slow connections. It is built only
// for runs that do so, which keeps it out of the lab's own compile time.
const toxiproxy = "github.com/Shopify/toxiproxy/v2/cmd/server"

// Build compiles the step's programs into dir/bin and returns that folder.
func Build(ctx context.Context, step *manifest.Step, dir string, wire bool) (string, error) {
	bin := filepath.Join(dir, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return "", fmt.Errorf("build %s: %w", step.Name, err)
	}
	var packages []string
	for _, p := range step.Processes {
		packages = append(packages, p.Package)
	}
	for _, command := range step.Inject {
		packages = append(packages, command[0])
	}
	slices.Sort(packages)
	packages = slices.Compact(packages)
	err := goBuild(ctx, step.Dir, append([]string{"-o", bin + string(os.PathSeparator)},
		packages...)...)
	if err == nil && wire {
		lab := filepath.Join(step.Root(), "lab")
		err = goBuild(ctx, lab, "-o", filepath.Join(bin, wireProgram()), toxiproxy)
	}
	if err != nil {
		return "", fmt.Errorf("build %s: %w", step.Name, err)
	}
	return bin, nil
}

func goBuild(ctx context.Context, dir string, args ...string) error {
	// Git may refuse to tell the commit of a checkout that belongs to another user, as in a
	// container, and Go would refuse to build.
	build := exec.CommandContext(ctx, "go",
		append([]string{"build", "-buildvcs=false"}, args...)...)
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}
