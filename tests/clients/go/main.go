// Ada posts a picture, Bob likes the post, and Ada hears of it: by the client that oapi-codegen makes.
// `story URL PICTURE` prints what happened as JSON.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"mime/multipart"
	"net/http"
	"os"
	"time"

	"story/plaza"
)

var ctx = context.Background()

type picture struct {
	Alt   *string `json:"alt"`
	Width int     `json:"width"`
}

type story struct {
	Post     string    `json:"post"`
	Pictures []picture `json:"pictures"`
	Bytes    int       `json:"bytes"`
	Liked    bool      `json:"liked"`
	Heard    []string  `json:"heard"`
}

func main() {
	url, file := os.Args[1], os.Args[2]
	ada, bob := login(url, "ada_go"), login(url, "bob_go")

	media := upload(ada, file)
	shown := must(ada.GetMediaWithResponse(ctx, media.Id, nil))

	post := good(must(ada.CreatePostWithResponse(ctx, nil, plaza.NewPost{Text: "hello", Media: &[]string{media.Id}})).JSON201)
	liked := good(must(bob.LikePostWithResponse(ctx, post.Id)).JSON200)
	first := hear(ada)

	told := story{Post: post.Id, Bytes: len(shown.Body), Liked: liked.Liked}
	told.Heard = []string{string(first.Type), first.Actors[0].Username, first.Target.Id}
	for _, each := range *post.Media {
		told.Pictures = append(told.Pictures, picture{each.Alt, each.Width})
	}
	fmt.Println(string(must(json.Marshal(told))))
}

// login registers a person and returns a client with their token.
func login(url, name string) *plaza.ClientWithResponses {
	account := plaza.Register{Username: name, Email: name + "@example.org", Password: "correct horse battery"}
	tokens := good(must(must(plaza.NewClientWithResponses(url)).RegisterWithResponse(ctx, account)).JSON201)
	token := func(_ context.Context, request *http.Request) error {
		request.Header.Set("Authorization", "Bearer "+tokens.AccessToken)
		return nil
	}
	return must(plaza.NewClientWithResponses(url, plaza.WithRequestEditorFn(token)))
}

// upload sends a picture; the generated client takes the form as it is.
func upload(client *plaza.ClientWithResponses, file string) *plaza.MediaRef {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part := must(form.CreateFormFile("file", "picture.png"))
	must(io.Copy(part, bytes.NewReader(must(os.ReadFile(file)))))
	must(0, form.WriteField("alt", "a wall"))
	must(0, form.Close())
	return good(must(client.CreateMediaWithBodyWithResponse(ctx, nil, form.FormDataContentType(), &body)).JSON201)
}

// hear returns the first notification, once it is there.
func hear(client *plaza.ClientWithResponses) plaza.Notification {
	for {
		if page := good(must(client.GetNotificationsWithResponse(ctx, nil)).JSON200); len(page.Items) > 0 {
			return page.Items[0]
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func good[T any](answer *T) *T {
	if answer == nil {
		log.Fatalf("refused, where there should be a %T", answer)
	}
	return answer
}
