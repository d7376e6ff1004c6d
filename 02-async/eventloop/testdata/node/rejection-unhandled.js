setTimeout(() => console.log("never"), 0)
Promise.reject(new Error("nobody"))
queueMicrotask(() => console.log("microtask"))
console.log("main")
