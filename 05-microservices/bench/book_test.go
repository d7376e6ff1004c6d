package bench

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"course.example/05-microservices/payment"
)

// BenchmarkBook enters a charge in two ways: as a line of the book, and as a file of its
// own, which is written, linked to its name and then removed under its first one. Both
// create a key exactly once, for all replicas, and survive a kill.
func BenchmarkBook(b *testing.B) {
	b.Run("line", func(b *testing.B) {
		book, err := payment.OpenBook(b.TempDir(), time.Hour, 100_000)
		if err != nil {
			b.Fatal(err)
		}
		defer func() {
			if err := book.Close(); err != nil {
				b.Error(err)
			}
		}()
		for i := 0; b.Loop(); i++ {
			if _, entered, err := book.Enter(chargeNumber(i)); !entered || err != nil {
				b.Fatalf("entered %t, %v", entered, err)
			}
		}
	})
	b.Run("file", func(b *testing.B) {
		dir := b.TempDir()
		for i := 0; b.Loop(); i++ {
			if err := enterAsFile(dir, chargeNumber(i)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func chargeNumber(i int) payment.Entry {
	id := strconv.Itoa(i)
	return payment.Entry{Key: "charge-" + id, OrderID: id, UserEmail: "ada@example.com",
		AmountCents: 4499, ReceiptID: id}
}

func enterAsFile(dir string, e payment.Entry) error {
	file, err := os.CreateTemp(dir, "draft-*")
	if err != nil {
		return err
	}
	if err := json.NewEncoder(file).Encode(e); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(e.Key))
	if err := os.Link(file.Name(), filepath.Join(dir, hex.EncodeToString(sum[:]))); err != nil {
		return err
	}
	return os.Remove(file.Name())
}
