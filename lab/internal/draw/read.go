package draw

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Marks reads a picture of [Run] and returns for how many orders the marks of each class
// stand. Who compares them with the figures of the run sees whether the picture tells the
// truth.
func Marks(svg []byte) (map[string]int, error) {
	marks := map[string]int{}
	for d := xml.NewDecoder(bytes.NewReader(svg)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return marks, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read the picture: %w", err)
		}
		path, ok := token.(xml.StartElement)
		if !ok || path.Name.Local != "path" {
			continue
		}
		attr := map[string]string{}
		for _, a := range path.Attr {
			attr[a.Name.Local] = a.Value
		}
		orders, isMark := attr["data-orders"]
		if !isMark {
			continue
		}
		each, err := strconv.Atoi(orders)
		if err != nil {
			return nil, fmt.Errorf("read the picture: a mark of %s: %w", attr["class"], err)
		}
		marks[attr["class"]] += each * strings.Count(attr["d"], "M")
	}
}
