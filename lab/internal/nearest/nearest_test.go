package nearest

import "testing"

func TestTo(t *testing.T) {
	t.Parallel()
	names := []string{"kill", "restart", "start", "scale", "consumer"}
	for written, want := range map[string]string{
		"kil": "kill", "klil": "kill", "restrat": "restart", "stert": "start", "sclae": "scale",
		"consumers": "consumer", "kill": "kill", "dance": "", "": "", "x": "",
	} {
		if got := To(written, names); got != want {
			t.Errorf("%q: %q, want %q", written, got, want)
		}
	}
}
