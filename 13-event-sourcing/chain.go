package eventsourcing

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/google/uuid"
)

// chain is the hash of an event: over all that the event says, and over the hash of the
// event before it in its stream. Change one event in place, and its hash does not fit any
// more, or those behind it do not. Who can change the table can write new hashes, too:
// then only a copy of the last hash, kept elsewhere, tells (a ledger that is signed or
// published). It finds the slip of an administrator, and a program that does not know that
// events are never changed.
func chain(before []byte, stream uuid.UUID, version int, kind Kind, body []byte) []byte {
	h := sha256.New()
	h.Write(before)
	h.Write(stream[:])
	var numbers [24]byte // the lengths keep "ab"+"c" and "a"+"bc" apart
	binary.BigEndian.PutUint64(numbers[:], uint64(version))
	binary.BigEndian.PutUint64(numbers[8:], uint64(kind.Schema))
	binary.BigEndian.PutUint64(numbers[16:], uint64(len(kind.Name)))
	h.Write(numbers[:])
	h.Write([]byte(kind.Name))
	h.Write(body)
	return h.Sum(nil)
}
