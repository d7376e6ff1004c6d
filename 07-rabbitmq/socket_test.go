package rabbitmq

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

func TestSocketSendsWhatGatheredInOneWrite(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		s := newSocket(near)
		for _, part := range []string{"a", "b", "c", "d"} {
			if _, err := s.Write([]byte(part)); err != nil {
				t.Fatal(err)
			}
			synctest.Wait() // the sender is busy with "a": nobody reads it yet
		}
		go func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}()
		buffer := make([]byte, 10)
		for _, want := range []string{"a", "bcd"} {
			n, err := far.Read(buffer)
			if err != nil || !bytes.Equal(buffer[:n], []byte(want)) {
				t.Errorf("read %q, %v; want %q", buffer[:n], err, want)
			}
		}
		if _, err := far.Read(buffer); !errors.Is(err, io.EOF) {
			t.Errorf("after Close: %v", err)
		}
	})
}

func TestSocketGivesUpOnAFrozenReader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		near, _ := net.Pipe()
		s := newSocket(near)
		began := time.Now()
		var err error
		for err == nil {
			_, err = s.Write(make([]byte, maxGathered))
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(began); took != writeTimeout {
			t.Errorf("it took %s", took)
		}
		if err := ignoreClosed(s.Close()); err != nil {
			t.Error(err)
		}
	})
}
