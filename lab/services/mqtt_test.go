package services

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// The kind's whole way, with a real broker, is in the tests of step 14, which has a use for it.
func TestMQTTHandshakeSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]string{
		"\x20\x02\x00\x00": "", "\x20\x02\x00\x05": "user name or password",
		"\x20\x02\x00\x03": "refuses the connection (3)", "HTTP": "is not MQTT", "": "EOF",
		"silent": "in time",
	} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		t.Cleanup(func() { _ = listener.Close() })
		go func() {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			hello := make([]byte, 2)
			if _, err = io.ReadFull(conn, hello); err == nil {
				_, err = io.CopyN(io.Discard, conn, int64(hello[1]))
			}
			if err == nil && answer != "silent" {
				_, _ = io.WriteString(conn, answer)
				return
			}
			_, _ = io.Copy(io.Discard, conn) // until the client gives up
		}()
		limit := time.Minute
		if answer == "silent" {
			limit = 50 * time.Millisecond
		}
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		err = loginMQTT(ctx, "tcp://guest:guest@"+listener.Addr().String())
		cancel()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", answer, err, want)
		}
	}
	if err := loginMQTT(t.Context(), "amqp://host:5672"); err == nil ||
		!strings.Contains(err.Error(), "tcp://user") {
		t.Errorf("an URL of another protocol: %v", err)
	}
}
