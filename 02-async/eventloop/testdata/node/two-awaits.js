async function f(name) {
  for (let i = 1; i <= 2; i++) {
    console.log(name + i)
    await null
  }
}
f("A")
f("B")
console.log("main")
