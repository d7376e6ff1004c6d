async function f() {
  console.log("f begins")
  await null
  console.log("f goes on")
}
f().then(() => console.log("f is done"))
Promise.resolve().then(() => console.log("promise"))
console.log("main")
