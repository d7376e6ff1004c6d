package shop

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestGuardKeepsOtherSitesOut(t *testing.T) {
	t.Parallel()
	loopback := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8080}
	open := &net.TCPAddr{IP: net.IPv4zero, Port: 8080}
	for name, c := range map[string]struct {
		addr         net.Addr
		method, host string
		headers      map[string]string
		want         int
	}{
		"curl":                {loopback, "POST", "127.0.0.1:8080", nil, 200},
		"localhost":           {loopback, "POST", "localhost:8080", nil, 200},
		"in upper case":       {loopback, "GET", "LOCALHOST.", nil, 200},
		"IPv6":                {loopback, "GET", "[::1]:8080", nil, 200},
		"a name below it":     {loopback, "GET", "shop.localhost:8080", nil, 200},
		"another of the same": {loopback, "GET", "127.0.0.53", nil, 200},
		"a rebound name":      {loopback, "GET", "evil.example:8080", nil, 403},
		"a name like it":      {loopback, "GET", "localhost.evil.example", nil, 403},
		"an address like it":  {loopback, "GET", "127.0.0.1.evil.example:8080", nil, 403},
		"no name":             {loopback, "GET", "", nil, 403},
		"another machine's":   {loopback, "GET", "192.168.0.7:8080", nil, 403},
		"open on purpose":     {open, "GET", "192.168.0.7:8080", nil, 200},
		"its own page": {loopback, "POST", "127.0.0.1:8080",
			map[string]string{"Origin": "http://127.0.0.1:8080", "Sec-Fetch-Site": "same-origin"}, 200},
		"another site's page": {loopback, "POST", "127.0.0.1:8080",
			map[string]string{"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}, 403},
		"an old browser": {loopback, "POST", "127.0.0.1:8080",
			map[string]string{"Origin": "https://evil.example"}, 403},
		"a page that hides itself": {loopback, "POST", "127.0.0.1:8080",
			map[string]string{"Origin": "null"}, 403},
		"another port's page": {loopback, "POST", "127.0.0.1:8080",
			map[string]string{"Origin": "http://127.0.0.1:9000"}, 403},
		"another site's page, open": {open, "DELETE", "shop.example:8080",
			map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		"a link from another site": {loopback, "GET", "127.0.0.1:8080",
			map[string]string{"Sec-Fetch-Site": "cross-site"}, 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequestWithContext(t.Context(), c.method, "/orders", nil)
			r.Host = c.host
			for key, value := range c.headers {
				r.Header.Set(key, value)
			}
			w := httptest.NewRecorder()
			served := false
			guard(c.addr, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				served = true
			})).ServeHTTP(w, r)
			if w.Code != c.want || served != (c.want == 200) {
				t.Errorf("%d, served: %v", w.Code, served)
			}
			if c.want != 200 && !strings.Contains(w.Body.String(), `"error"`) {
				t.Errorf("refused without a reason: %s", w.Body)
			}
		})
	}
}

func TestServeIsGuarded(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- ServeOn(ctx, l, http.NotFoundHandler()) }()
	r, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+l.Addr().String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]int{
		l.Addr().String(): http.StatusNotFound, "evil.example": http.StatusForbidden,
	} {
		r.Host = host
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := answer.Body.Close(); err != nil || answer.StatusCode != want {
			t.Errorf("%s: %s, %v", host, answer.Status, err)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
}
