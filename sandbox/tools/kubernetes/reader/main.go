// Reads manifests with kubectl's own code, for tests that compare another reader with it.
//
// Each request on stdin and each response on stdout is a big-endian length of four bytes and that many bytes: the content
// of a file, and a JSON object with the objects that kubectl would apply and its first error.
package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"log"
	"os"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
	"k8s.io/cli-runtime/pkg/resource"
)

type response struct {
	Objects []any  `json:"objects"`
	Error   string `json:"error,omitempty"`
}

func read(content []byte) response {
	objects := []any{}
	// As kubectl opens a file.
	text := transform.NewReader(bytes.NewReader(content), unicode.BOMOverride(unicode.UTF8.NewDecoder()))
	err := resource.NewLocalBuilder().
		Unstructured().
		ContinueOnError().
		Stream(text, "input").
		Flatten().
		Do().
		Visit(func(info *resource.Info, err error) error {
			if err == nil {
				objects = append(objects, info.Object)
			}
			return err
		})
	if err != nil {
		return response{objects, err.Error()}
	}
	return response{objects, ""}
}

func main() {
	input, output := bufio.NewReader(os.Stdin), bufio.NewWriter(os.Stdout)
	for {
		var length uint32
		if err := binary.Read(input, binary.BigEndian, &length); err == io.EOF {
			return
		} else if err != nil {
			log.Fatal(err)
		}
		content := make([]byte, length)
		if _, err := io.ReadFull(input, content); err != nil {
			log.Fatal(err)
		}
		answer, err := json.Marshal(read(content))
		if err != nil {
			log.Fatal(err)
		}
		if err := binary.Write(output, binary.BigEndian, uint32(len(answer))); err != nil {
			log.Fatal(err)
		}
		output.Write(answer)
		if err := output.Flush(); err != nil {
			log.Fatal(err)
		}
	}
}
