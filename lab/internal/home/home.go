package home

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// EnvDir is the environment variable that moves the state folder elsewhere.
const EnvDir = "LAB_DIR"

// ErrNoCheckout says that no folder above the working directory has a go.work file.
var ErrNoCheckout = errors.New("not inside the course checkout: no go.work in this folder or above")

// Root returns the root of the checkout: the first folder with a go.work file, from the
// working directory upwards. Outside of a checkout the error wraps [ErrNoCheckout].
func Root() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the checkout: %w", err)
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		_, err := os.Stat(filepath.Join(dir, "go.work"))
		switch {
		case err == nil:
			return dir, nil
		case !errors.Is(err, fs.ErrNotExist):
			return "", fmt.Errorf("find the checkout: %w", err)
		case dir == filepath.Dir(dir):
			return "", fmt.Errorf("%w (looked from %s)", ErrNoCheckout, start)
		}
	}
}

// Dir returns the state folder and makes it when it is missing: LAB_DIR when that is set, .lab
// in the checkout, or else a folder of this user's own among the temporary files.
func Dir() (string, error) {
	if dir := os.Getenv(EnvDir); dir != "" {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return "", fmt.Errorf("state folder from %s: %w", EnvDir, err)
		}
		if err := os.MkdirAll(abs, 0o755); err != nil {
			return "", fmt.Errorf("state folder from %s: %w", EnvDir, err)
		}
		return abs, nil
	}
	root, err := Root()
	if errors.Is(err, ErrNoCheckout) {
		return userTemp()
	}
	if err != nil {
		return "", err
	}
	dir := filepath.Join(root, ".lab")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make the state folder: %w", err)
	}
	return dir, nil
}

// userTemp makes a state folder among the temporary files, where other users may write too.
func userTemp() (string, error) {
	dir := filepath.Join(os.TempDir(), "course-lab-"+strconv.Itoa(os.Getuid()))
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("make the state folder: %w", err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return "", fmt.Errorf("state folder: %w", err)
	}
	// Chmod fails on a folder of somebody else's, and Lstat does not follow a link: nobody can
	// have put another folder under our name for us to run programs from.
	if !info.IsDir() {
		return "", fmt.Errorf("state folder: %s is not a folder; remove it or set %s", dir, EnvDir)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return "", fmt.Errorf("state folder %s belongs to somebody else; set %s: %w",
			dir, EnvDir, err)
	}
	return dir, nil
}
