package services

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
)

// browser is Chromium or one of its kin, which tests of a page drive without a window by the
// DevTools protocol.
var browser = tool{
	name: "Chromium", why: "A test of a web page needs a", find: findBrowser,
	packages: map[string]string{
		"apt-get": "chromium", "brew": "google-chrome", "dnf": "chromium", "pacman": "chromium",
		"zypper": "chromium",
	},
}

// Browser returns the path of a Chromium, installing one where that is allowed. CHROME_PATH names
// another than the one that is found. The error says what to do where there is none.
func (c *Chain) Browser(ctx context.Context) (string, error) {
	return c.provideTool(ctx, browser)
}

// InspectBrowser returns the Chromium that tests would use, or an empty path and the command that
// installs one.
func InspectBrowser() (path, mend string) {
	if path = findBrowser(); path != "" {
		return path, ""
	}
	return "", browser.mend("install Chromium or Chrome")
}

// Where the installers of the systems without a common PATH put it.
var browserPlaces = []string{
	"/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
	"/Applications/Chromium.app/Contents/MacOS/Chromium",
	filepath.Join(os.Getenv("PROGRAMFILES"), `Google\Chrome\Application\chrome.exe`),
	filepath.Join(os.Getenv("PROGRAMFILES(X86)"), `Microsoft\Edge\Application\msedge.exe`),
}

func findBrowser() string {
	if named := os.Getenv("CHROME_PATH"); named != "" {
		if path, err := exec.LookPath(named); err == nil {
			return path
		}
		return ""
	}
	names := []string{
		"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge",
	}
	for _, name := range append(names, browserPlaces...) {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}
