// An app around the Stream of docs/clients/kotlin.md: it prints what it fetched and applied, and what it is told on its
// input ("drop", "back") happens to its connection. `java MainKt API GATEWAY TOKEN`
import io.socket.client.Socket
import io.socket.thread.EventThread
import java.net.HttpURLConnection
import java.net.URI
import kotlin.concurrent.thread
import org.json.JSONObject

fun main(words: Array<String>) {
    val (api, gateway, token) = words
    val fetch = { done: (String) -> Unit ->
        thread {
            val asked = URI.create("$api/v1/notifications").toURL().openConnection() as HttpURLConnection
            asked.setRequestProperty("Authorization", "Bearer $token")
            val page = JSONObject(asked.inputStream.bufferedReader().readText())
            println("fetched ${page.getJSONArray("items").length()}")
            done(page.getString("offset"))
        }
        Unit
    }
    val stream = Stream(gateway, token, null, fetch) { name, data -> println("$name ${data.optString("id")}") }
    stream.socket.on(Socket.EVENT_CONNECT) { println("connected") }
    stream.socket.connect()
    generateSequence(::readLine).forEach { word ->
        when (word) {
            "drop" -> { stream.socket.disconnect(); println("dropped") }
            "back" -> stream.socket.connect()
            "offset" -> EventThread.exec { println("offset ${stream.offset}") }
        }
    }
    stream.socket.disconnect()
    stream.socket.io().reconnection(false)
    Runtime.getRuntime().halt(0)
}
