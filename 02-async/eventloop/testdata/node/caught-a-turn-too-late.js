const p = Promise.reject(new Error("late"))
setTimeout(() => p.catch((err) => console.log("caught " + err.message)), 0)
